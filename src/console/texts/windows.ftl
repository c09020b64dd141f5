# The places in examples, as Windows calls them.
-stick = E:
-second-stick = F:
-third-stick = G:
-disk = D:\
-source = iis
-scanned = C:\Users D:\
-shell = cmd.exe
-work-folder = "%W%"
