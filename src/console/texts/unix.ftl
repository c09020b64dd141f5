# The places in examples, as they are called where this is not Windows.
-stick = /media/usb
-second-stick = /media/usb2
-third-stick = /media/usb3
-disk = /srv/
-source = folder:/srv/certs
-scanned = /home /srv
-shell = bash
-work-folder = "$W"
