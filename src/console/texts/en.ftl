# What pfxvault says, in English. Ids, attributes and values are the same in ja.ftl.
# Errors: lower case, no full stop; .cause says why, .hint says what to do now.

## Labels

label-error = error
label-cause = cause
label-hint = hint
label-usage = Usage
label-commands = Commands
label-arguments = Arguments
label-options = Options
label-examples = Examples
label-name = Name
label-synopsis = Synopsis
label-description = Description

## Help: the program and the options of every command

help =
    pfxvault backs up the TLS key pairs of a Windows web server to encrypted vaults on USB sticks, and restores them.
    Start with a rehearsal on throw-away data: pfxvault demo
help-help = Show the help, also of one command: pfxvault help backup
help-help-command = The command, such as backup, or media add
help-man = Write the manual pages into a folder.
help-man-folder = Folder the pages are written to; it is made where it is not there
help-version = Show the version
help-json = Write the result as one JSON document, for programs
help-lang = Language of all messages, en or ja (without it: PFXVAULT_LANG, else the language of the system)
help-state = Folder in which this server keeps what it remembers about the vault (without it: PFXVAULT_STATE, else the usual place)
help-quiet = Say only what needs attention
help-accept = Make an exception from a handling rule, with a reason: no-shared-drive="test data only". With status, audit and verify, also put a point to rest, by its id
help-until = Last day on which --accept holds, at most a year from now, such as 2027-03-31
help-passphrase-file = File whose first line is the passphrase, instead of typing it
help-recovery-key = Open the vault with the recovery key from the envelope instead of the passphrase
help-recovery-key-file = File with the recovery key, instead of typing it; for create: new file the recovery key is written to
help-shares = Open the vault with shares of a recovery key, typed one after the other
help-share-file = File with one share, instead of typing the shares; given once for each

## Help: commands

help-list = Show the key pairs of a server or a file, when they expire, and whether they are backed up.
help-backup = Save key pairs to the vault on one or more media; no passphrase is needed.
help-export = Write key pairs as PFX or PEM files, as "Export" in IIS Manager does; no vault is involved.
help-verify = Check media: read every byte again and check every signature; no passphrase is needed.
help-drill = Rehearse a restore: open every key pair, check it and try it over TLS; nothing is written.
help-restore = Write key pairs from the vault, or from files, to where a server can use them; the media are never changed.
help-create = Make a new vault on a medium: passphrase, recovery key, and this server enrolled in it.
help-contents = Show which key pairs the vault holds, by server and generation.
help-media = Show the media of the vault, put it onto one more, take one out of use, or set when something is due.
help-media-list = Show the media this server knows, and what is on them.
help-media-add = Put the vault onto one more medium; no passphrase is needed.
help-servers = Show the servers that may write to the vault, enrol this one or many by files, or end the right of one.
help-servers-list = Show the servers that may write to the vault.
help-servers-join = Enrol this server, so that it may write to the vault; asks for the passphrase.
help-access = Show what can open the vault, add one more way, or end one.
help-access-list = Show what can open the vault.
help-access-add = Add one more way to open the vault, or a key that decrypts new backups with age; asks for the passphrase.
help-sheet = Write the instruction sheet (no secret) or the envelope with the recovery key, one page each; or read one back.
help-sheet-from = USB stick of the vault, such as { -stick }; may be given several times (without it: every one that is inserted)
help-sheet-to = New file for the page: .pdf to print, .html for a browser, anything else text (without it: the sheet as text on the screen)
help-sheet-envelope = The secret page: the recovery key that opens the vault (--recovery-key or --recovery-key-file)
help-sheet-contact = Whom to call, as it is printed on the sheet
help-sheet-check = Read a page back from a file, a scan (PNG, JPEG, PDF) or, without a file, as you type it. An envelope counts once it has opened the vault
help-copy = Bring a medium up to date from others; nothing on it is removed, and no passphrase is needed.
help-demo = Show everything once with throw-away key pairs: backup, damage, restore; changes nothing on this machine.
help-completions = Print the completions for a shell.

## Help: arguments and options

help-names = Host name, friendly name, file name or thumbprint; without one: everything
help-from = Where key pairs are read: iis, folder:DIR, pfx:FILE or pem:CERTIFICATE (with --key) (without it: PFXVAULT_FROM, else on Windows iis)
help-key = File with the private key, for pem:CERTIFICATE
help-source-password-file = File whose first line is the password of the files that are read
help-source-passwords = File with a password for each file that is read: lines of name,password (CSV; without a name: for any)
help-to = Where key pairs are written: folder:DIR, pfx:FILE or pem:DIR
help-restore-to = Where key pairs are written: iis (this server; the default on Windows), folder:DIR, pfx:FILE or pem:DIR
help-restore-retired = Restore also what was retired, as far as it is named
help-reader = What must be able to open the PFX: server2012, server2016 (3DES), server2019, other (AES; the default)
help-ask-pfx-password = Ask for a password of your own for the PFX files, twice, instead of generating one for each
help-pfx-password-file = File whose first line is the password for the new PFX files
help-eject = Eject the USB stick at the end, without asking
help-keep-mounted = Leave the USB stick in use at the end, without asking
help-force = Replace files that are already there
help-dry-run = Show what would be done, and stop
help-yes = Answer every question with yes
help-server = Name or id of the server whose backup is meant
help-generation = Number of the generation, or a date such as 2026-10-31: the newest one up to that day
help-medium = USB stick: a drive such as { -stick } or a folder
help-label = What the medium is called; readable by anyone who finds it (without it: the name of this machine)
help-replace = Change this server over from the vault that it writes to now; what it remembers of that one is kept
help-server-name = What this server is called in the vault (without it: PFXVAULT_SERVER_NAME, else the name of this machine)
help-backup-to = USB stick to write to, such as { -stick }, or parcel:FILE for a sealed parcel on its way to one; may be given several times (without it: PFXVAULT_BACKUP_TO, else a person is asked)
help-backup-force = Write a new generation even if nothing has changed
help-verify-media = USB sticks to check, such as { -stick }, or parcel:FILE (without it: every one that is inserted)
help-verify-vault = Fingerprint the vault must have, as on the envelope
help-drill-from = USB stick to read, such as { -stick }, or parcel:FILE; may be given several times (without it: every one that is inserted)
help-drill-stock = Print the commands of README.TXT for this stick; with a folder, check what they made there (PFX or PEM files) against the backup
help-drill-receipt = New file the receipt is written to: who opened what, when, with what, from which stick (.json for programs, else text)
help-restore-from = USB stick to read, such as { -stick }, or parcel:FILE, folder:DIR, pfx:FILE, pem:CERTIFICATE (without it: every one that is inserted)
help-contents-from = USB stick to read, such as { -stick }, or parcel:FILE; may be given several times (without it: every one that is inserted)
help-contents-reveal-password = Also show the passwords of the PFX files inside the vault, on this screen only
help-servers-list-media = USB sticks to look at, such as { -stick } (without one: what this server remembers)
help-access-list-media = USB sticks to look at, such as { -stick } (without it: every one that is inserted)
help-access-add-way = What is added: passphrase, recovery-key, shares:K/N (a recovery key in N shares, of which any K open the vault), or the public key of a second person: age1..., that of an age plugin (age1NAME1...), or "ssh-..." from a .pub file
help-access-add-decrypt-only = The age key decrypts backups made from now on with age, and does not open the vault; this can be taken back with access retire
help-age-key-file = Open the vault with the key in this file: one of age (AGE-SECRET-KEY-1...), of an age plugin (AGE-PLUGIN-...), or for SSH; it was added with access add
help-fingerprint = The fingerprint of the vault from the instruction sheet, where this server does not know the vault
help-access-add-to = USB stick of the vault it is added on, such as { -stick }
help-access-add-new-passphrase-file = File whose first line is the new passphrase, instead of typing it
help-access-add-new-recovery-key-file = New file the new recovery key is written to, instead of showing it once
help-access-add-new-share-file = New file one of the new shares is written to, instead of showing it once; given once for each share
help-copy-from = USB stick to read, such as { -stick }, or parcel:FILE; may be given several times
help-copy-to = USB stick to bring up to date, such as { -second-stick }
help-completions-shell = Which shell

## Help: examples, a command line and below it what it does; the lines are the same in both languages

help-examples =
    pfxvault demo
        The whole story on throw-away data; nothing on this machine changes
    pfxvault backup --to { -stick }
        The first backup, or the next one, to the USB stick { -stick }
    pfxvault help backup
        What a command takes
help-status-examples =
    pfxvault status
        What is safe here and what needs attention
    pfxvault status { -stick } --tls www.example.com mail.example.com:8443
        With the stick { -stick }, and with what two servers show over TLS
    pfxvault status --quiet --json
        For monitoring: exit code 8 when something needs attention
    pfxvault status --accept few-media="second stick ordered" --until 2027-03-31
        Puts a point to rest that you have looked at; it comes back after that day, or when it changes
help-list-examples =
    pfxvault list --from iis
        The sites of this Windows server with their certificates
    pfxvault list --from folder:{ -disk }certs
        The key pairs in a folder of PFX or PEM files
help-backup-examples =
    pfxvault backup --to { -stick }
        Everything that IIS uses; on a new stick a vault is made after a question
    pfxvault backup www.example.com --to { -stick } --eject
        One key pair, and the stick can be pulled out at the end
    pfxvault backup --from folder:{ -disk }certs --source-password-file { -disk }pw.txt --to { -stick } --yes
        A folder of PFX files, without questions
    pfxvault backup --to parcel:{ -disk }web01.zip
        Sealed in one file, on a server that no stick can be plugged into
help-export-examples =
    pfxvault export www.example.com --from iis --to pfx:D:\www.pfx
        One PFX file under a password that is typed twice
    pfxvault export www.example.com --from iis --to pfx:D:\www.pfx --for server2012
        The same for Windows Server 2012 R2, which reads no AES
help-verify-examples =
    pfxvault verify
        Every stick that is inserted
    pfxvault verify { -stick } --eject
        One stick, which can be pulled out at the end
help-drill-examples =
    pfxvault drill --from { -stick }
        Everything, with the passphrase
    pfxvault drill --from { -stick } --recovery-key
        The same with the paper from the envelope
    pfxvault drill --from { -stick } --receipt { -disk }drill.txt
        The same, with a receipt for the folder of the audit
    pfxvault drill --from { -stick } --stock
        What to type where there is no pfxvault
help-restore-examples =
    pfxvault restore --from E: --to iis --dry-run
        What would change on this server, without changing it
    pfxvault restore --from E: --to iis --server WEB01 --report D:\change.txt
        Key pairs and bindings of WEB01 onto this server, with a report
    pfxvault restore www.example.com --from { -stick } --to pfx:{ -disk }www.pfx
        One key pair as a PFX file, under a password that is typed twice
help-repair-examples =
    pfxvault repair --dry-run
        Certificates that have lost their key, and runs that were interrupted
    pfxvault repair www.example.com
        One of them
help-retire-examples =
    pfxvault retire www.example.com --reason leaked
        The key may be in other hands
    pfxvault retire www.example.com --undo
        It may be restored again
help-undo-examples =
    pfxvault undo --dry-run
        What would be taken back
    pfxvault undo
        Takes back the last change of this server
help-request-examples =
    pfxvault request www.example.com shop.example.com --out { -disk }request.txt
        A CSR for two names
    pfxvault request www.example.com --out { -disk }request.txt --organization "Example K.K." --country JP
        One with the organisation in it
help-install-examples =
    pfxvault install { -disk }answer.txt
        The file or the whole mail as it came: key, store and bindings are found
    pfxvault install { -disk }answer.txt --to { -stick }
        The same, with a backup right afterwards
help-create-examples =
    pfxvault create { -stick } --label "Safe A"
        A new vault on the stick { -stick }
    pfxvault create { -stick } --replace
        A new vault in the place of one that others can open, or that nobody can open any more
help-contents-examples =
    pfxvault contents
        What the inserted sticks hold
    pfxvault contents www.example.com --from { -stick } --generation 2026-10-31
        Whether a key pair counted on that day
help-media-examples =
    pfxvault media
        The sticks this server knows
    pfxvault media add { -second-stick } --label "Safe B"
        A second stick
help-media-list-examples =
    pfxvault media list
        The sticks this server knows
help-media-add-examples =
    pfxvault media add { -second-stick } --label "Safe B" --place "second site"
        A second stick, and where it is kept
help-media-retire-examples =
    pfxvault media retire "Safe A"
        A stick that is worn or replaced
    pfxvault media retire "Safe A" --lost
        A lost one: which key pairs were on it, and whether they must be revoked
help-media-policy-examples =
    pfxvault media policy --min-media 2 --verify-every 6
        Two sticks with the newest backup, each checked every six months
help-servers-examples =
    pfxvault servers
        The servers that may write
    pfxvault servers join { -stick }
        This one, too; asks for the passphrase
help-servers-list-examples =
    pfxvault servers list { -stick }
        The servers that may write, as the stick { -stick } has them
help-servers-join-examples =
    pfxvault servers join { -stick } --server-name WEB02
        This server, under the name WEB02
help-servers-request-examples =
    pfxvault servers request { -disk }web02.txt
        A file for the person who has the passphrase
help-servers-add-examples =
    pfxvault servers add { -disk }web02.txt { -disk }web03.txt --to { -stick } --answer { -disk }answer.txt
        Two servers with one passphrase, and the answer for both
help-servers-accept-examples =
    pfxvault servers accept { -disk }answer.txt
        The answer, on the server that asked
help-servers-retire-examples =
    pfxvault servers retire WEB01 --to { -stick }
        A server that is switched off
    pfxvault servers retire WEB01 --to { -stick } --compromised
        One that was broken into: nothing it wrote counts any more
help-servers-rename-examples =
    pfxvault servers rename WEB02 --to { -stick }
        This server is called WEB02 from now on
help-servers-admit-examples =
    pfxvault servers admit SHA256:FINGERPRINT --to { -stick }
        A server whose admission was lost, by the fingerprint that pfxvault servers list shows on it
help-access-examples =
    pfxvault access list
        What can open the vault
    pfxvault access add recovery-key --to { -stick }
        A second envelope
help-access-list-examples =
    pfxvault access list { -stick }
        What can open the vault on the stick { -stick }
help-access-add-examples =
    pfxvault access add passphrase --to { -stick }
        A second passphrase, for a second person
    pfxvault access add recovery-key --to { -stick }
    pfxvault access add shares:2/3 --to { -stick }
        Three shares for three people; any two of them open the vault
        A second envelope
help-access-retire-examples =
    pfxvault access retire age1qqqq --to { -stick }
        A second person's key, by its first characters
help-copy-examples =
    pfxvault copy --from { -stick } --to { -second-stick }
        What { -second-stick } lacks, from { -stick }; the only time both are attached
help-sheet-examples =
    pfxvault sheet --from { -stick } --to { -disk }sheet.pdf
        The instruction sheet: one page, no secret
    pfxvault sheet --envelope --recovery-key --from { -stick } --to { -disk }envelope.pdf
        A second envelope; the recovery key is typed from the first
    pfxvault sheet --check { -disk }sheet.pdf --from { -stick }
        Whether the page can be read and belongs to this stick
help-audit-examples =
    pfxvault audit { -stick } --html { -disk }audit.html
        The page for the auditor
    pfxvault audit --scan { -scanned }
        Private keys that lie where they should not
help-demo-examples =
    pfxvault demo --lang ja
        The demonstration in Japanese
help-selftest-examples =
    pfxvault selftest
        Before the first restore on a new server
    pfxvault selftest --full
        The whole way in a site of its own, on a server with IIS that serves nobody yet
help-completions-examples =
    pfxvault completions powershell
        For PowerShell: put what it prints into the profile
help-man-examples =
    pfxvault man man --lang ja
        The Japanese pages, into the folder man
help-help-examples =
    pfxvault help media add
        The help of one command

## Questions and what is typed

prompt-passphrase = Passphrase of the vault
prompt-passphrase-new = New passphrase (Enter alone goes back)
prompt-passphrase-again = The same again (Enter alone to choose another)
prompt-written = Press Enter when all of it is on paper. Then it is cleared from the screen.
prompt-read = Press Enter when you have what you need. Then the passwords are cleared from the screen.
prompt-word-back = Type word { $number } from your paper (Enter alone shows all of them again):
prompt-recovery-key = Recovery key from the envelope, group { $group }
prompt-recovery-group = Type group { $number } of the recovery key from your paper (Enter alone shows it again):
prompt-share = Paper { $share }{ $of ->
        [0] {""}
       *[other] {" "}of { $of }
    }, row { $row }
prompt-share-row = Type row { $number } of the share from your paper (Enter alone shows it again):
prompt-show-changed = Show the passphrase in the form that will be used?
prompt-interrupted = Stopped with Ctrl-C at this question. What is shown above as done is done; nothing else was changed.
plugin-says = { $plugin }: { $words }
plugin-confirm = { $plugin }: { $words } (y: { $yes }, n: { $no })
unlock-trying = Checking the passphrase. This takes a few seconds.
unlock-as-typed = No match. Trying it exactly as it was typed, for vaults of earlier versions.
unlock-capitals = No match. Trying it with other capitals (Caps Lock, a capital at the beginning).
unlock-go-on =
    This medium has more ways in than usual, and not all of them have been tried yet.
    Go on? It may take a minute more each time you are asked.
recovery-key-how =
    Type the recovery key from the paper, group by group (1 to { $count }), or several groups at once.
    If the paper shows two more characters after a group, type them, too: they reveal a mistake at once.
    What you type is not shown. Each group is checked when you press Enter.
group-check = Group { $group } does not fit the two characters after it. Look at the paper and type both again. If they are exactly what you typed, the paper is for another vault than this stick.
group-character = Character { $place } of group { $group } is one that is never used there. Look at the paper and type this group again.
group-empty = Group { $group } is next; { $missing } characters of the key are still missing.
group-too-much = There are { $count } characters too many. Look at the paper and type from this group on again.
group-short = Group { $group } has { $length } characters, and { $typed } were typed. Look at the paper and type it again.
key-group-wrong = The key is complete, but one character of group { $group } is wrong. Look at the paper and type that group again.
key-several-wrong = The key is complete, but several characters of it are wrong. Please type it again from group 1.
shares-how =
    Type one share after the other from their papers, in any order: row by row (1 to { $rows }), or several rows at once.
    A row has three words, of which the first four letters are enough, and two characters after them, which show a mistake at once.
    What you type is not shown. Each row is checked when you press Enter.
share-taken = This paper, share { $number }, is right. { $missing ->
        [0] That is enough.
        [one] One more is needed.
       *[other] { $missing } more are needed.
    }
share-word = Row { $row }: word { $place } is not in the list of words. Look at the paper and type this row again.
share-check = Row { $row } does not fit the two characters after it. Look at the paper and type the row again. If it is exactly what you typed, the paper is for another vault than this stick.
share-empty = Row { $row } is next; { $missing } words of the share are still missing.
share-short = Row { $row } has three words, and { $typed } were typed. Look at the paper and type it again.
share-too-much = There are more rows than a share has. What was too much was left out.
share-foreign = This share is of another set: every share of this one begins with { $first } { $second }. Take another paper, and type its row 1.
share-double = Share { $number } is there already. Take another paper.
share-of-other = Share { $number } is of another set than those before it, or of another vault. Take another paper.
share-row-wrong = All words are there, but one in row { $row } is wrong. Look at the paper and type that row again.
share-several-wrong = All words are there, but several of them are wrong. Please type the share again from row 1.
share-reason-word = word { $place } in row { $row } is wrong
share-reason-length = it has { $count } words instead of { $whole }
share-reason-several = several of its words are wrong
share-reason-form = it is of a kind that pfxvault does not make (SLIP-39 in groups)
unfit-character = It holds a character that cannot be seen or typed again everywhere ({ $code }). Choose one without it.
unfit-short = It is too short: { $least } characters at least, of which one in kana or kanji counts as two. Several words with blanks between them are easy to remember.
unfit-long = It is too long: { $most } bytes at most.
unfit-guessable = It is among the first that are tried: repetitions, rows of keys, one word. Choose several words that have nothing to do with each other.
changed-width = note: full-width and half-width letters became ordinary ones, so that every keyboard can type the passphrase.
changed-marks = note: letters and their accents were put together, as most keyboards type them.
changed-blanks = note: blanks at the ends were removed, and those between words became one ordinary blank each.
estimate = A thousand computers need { $time } to guess it.
estimate-weak =
    attention: by a careful estimate, a thousand computers need { $time } to guess it, since it has { $parts ->
        [one] only one word or number
       *[other] only { $parts } words and numbers
    }. Whoever finds a USB stick may try that long. Each word more makes it thousands of times harder.
time-minutes = less than an hour
time-hours =
    about { $count ->
        [one] 1 hour
       *[other] { $count } hours
    }
time-days = about { $count } days
time-years = about { $count } years
time-for-ever = more than a million years
prompt-source-password = Password of { $name } (Enter alone leaves it out)
prompt-source-passwords = Password of the { $count } protected files (Enter alone leaves them out)
source-password-again = Three passwords were wrong. Try another, or press Enter alone to leave it out.
source-password-in-vain = attention: --source-passwords has a line for { $name }, and no file here is called that
source-passed-over =
    { $count ->
        [one] not read: 1 file or folder here (folders are read one deep)
       *[other] not read: { $count } files and folders here (folders are read one deep)
    }: { $names }
prompt-pfx-new = New password for the PFX
prompt-again = The same again
prompt-choice = Your choice [{ $usual }]:
prompt-number = Please type one of the numbers shown.
prompt-yes-or-no = Please answer y (yes) or n (no).
prompt-empty = Nothing was typed. Please try again.
prompt-differ = That is not the same. Please look again and type it once more.
trap-not-ascii =
    attention: it contains characters that some keyboards and consoles cannot type. Plain letters are safer.
trap-layout =
    attention: it contains characters that lie on different keys of a Japanese and an English keyboard.
    Check that you can type them on the machine where you will need them.

## A new vault

create-what-it-is =
    The stick will hold encrypted copies of the key pairs. Making a backup needs no secret.
    Opening one needs the passphrase, or the recovery key.
create-passphrase-choice =
    Choose the passphrase (the words that open the vault):
      1  ten generated words (recommended): shown next, to be written on paper; three of them are asked back
      2  my own, typed twice
create-recovery-key =
    If the passphrase is forgotten, the recovery key opens the vault instead. It is shown only this once.
    Write all of it on paper, put the paper in an envelope and seal it. Keep it in another place than the sticks.
    The two characters after each group reveal mistakes when it is typed; write them down, too.
    Three of its groups are asked back, by their numbers.
create-recovery-key-file =
    attention: the recovery key is now in the file { $path }. Whoever has this file can open the vault.
    The rule password-kept wants it on paper: print it now, put the paper in an envelope and seal it, then delete the file.
create-share =
    This is share { $number } of { $count }. Any { $threshold } of them open the vault; fewer open nothing.
    Write all of it on a paper of its own, in an envelope of its own, for the person who keeps it. It is shown only this once.
    The two characters behind each row show mistakes when it is typed; write them down, too.
    Three of its rows are asked back, by their numbers.
create-share-file =
    attention: share { $number } is now in the file { $path }. Print it now, put the paper in an envelope of its own, seal it, and give it to the person who keeps it.
    Then delete the file: whoever has enough of the shares can open the vault.
create-done =
    done: the vault on { $medium } is ready, and this server may write to it.
    Its fingerprint is { $vault } (write it on the envelope).
replace-what =
    This server writes to the vault { $vault }. With another one in its place:
    - its backups go to the other vault alone. Nothing is written to { $media ->
        [none] the media of the former one
       *[other] the former one's USB sticks ({ $media })
    } any more; they stay as they are
    - whoever has a passphrase or key of the former one can go on reading them, also here
    { $others ->
        [0] - no other server writes to the former one
        [one] - 1 other server goes on writing to the former one. To take it along, run on that server: pfxvault servers join { -stick } --replace
       *[other] - { $others } other servers go on writing to the former one. To take them along, run on each: pfxvault servers join { -stick } --replace
    }
replace-nowhere-else =
    attention: { $stores ->
        [looked] { $count ->
            [one] 1 key pair of the former vault is not on this server
           *[other] { $count } key pairs of the former vault are not on this server
        }: { $names }
        Once nobody can open the former vault, this is lost: restore it before, or have it re-issued.
       *[none] the former vault holds { $count ->
            [one] 1 key pair
           *[other] { $count } key pairs
        } of this server: { $names }
        The next backup takes what this server still has. Once nobody can open the former vault, all else in it is lost: restore that before, or have it re-issued.
    }
replace-question = Change over to the other vault?
replace-done =
    What this server remembers of the former vault is kept in { $former }.
      its contents: pfxvault contents --state { $former }
key-says-no-vault =
    attention: nothing says whose vault this recovery key is for. It opened the vault { $vault }.
    Compare this fingerprint with the instruction sheet or the envelope before you use what is restored.
key-acknowledge = Is this fingerprint the one on your paper?
create-next =
    next: make the first backup; the vault is still empty
      pfxvault backup --from { -source } --to { $medium }

## Backup

backup-create-question = There is no vault on { $medium } yet. Make a new one there? Other files on it are not touched.
backup-add-question = There is no vault on { $medium } yet. Use it as one more medium of this server's vault? Other files on it are not touched.
backup-plan =
    { $count ->
        [one] 1 key pair would be saved
       *[other] { $count } key pairs would be saved
    }; { $missing ->
        [0] nothing is missing
        [one] 1 cannot be read
       *[other] { $missing } cannot be read
    }. Nothing has been written.
backup-done = done: { $saved } of { $total } key pairs are saved on USB stick "{ $label }" ({ $medium }) and were read back from it (generation { $number })
backup-one-copy =
    attention: { $saved ->
        [one] 1 key pair is
       *[other] { $saved } key pairs are
    } saved on USB stick "{ $label }" ({ $medium }, generation { $number }), but only in one copy instead of two: { $reason }
    Run the same backup again. If it happens again, replace this stick.
backup-unchanged = done: nothing has changed. Everything is already on USB stick "{ $label }" ({ $medium }, generation { $number }); nothing was written
backup-failed =
    attention: nothing was saved on { $medium } ({ $reason })
    What was on it before still counts. Try again, or use another stick.
backup-missing-known = not backed up, by an exception until { $until } ({ $why }): { $name }: { $reason }
backup-missing = attention: not saved: { $name }: { $reason }
backup-in-use = attention: { $name } is in use by { $uses }, but is in no backup. To save it, too: pfxvault backup { $thumbprint }
reason-in-use-not-found = it is in use by { $uses }, but it was found in no certificate store of this server, so it cannot be saved. Restore it from an earlier backup, or bind another certificate: pfxvault list shows what the sites use
backup-decayed =
    attention: an earlier backup on { $medium } can no longer be read correctly: generation { $generation }
    Replace this stick soon. What is affected: pfxvault verify { $medium }
eject-question = Eject { $medium } now?
eject-done = { $medium } is ejected: you can pull it out now.
eject-failed =
    attention: { $medium } was not ejected: { $reason }. What was saved is on it.
    Eject it by hand before you pull it out: with the icon "Safely Remove Hardware" beside the clock, on Linux in the file manager.
backup-passwords = The passwords of the PFX files lie encrypted in the vault. Nobody needs to remember them; the passphrase is enough.
backup-next =
    next: remove the USB stick safely and lock it away. { $count ->
        [one] It is the only one. Make a second: pfxvault backup --from { $source } --to { -second-stick }
       *[other] Bring the other sticks up to date one after the other, never all attached at the same time.
    }

## What a server or a vault holds

list-headline =
    { $count ->
        [0] { $unread ->
            [0] There are no key pairs here.
            [one] No key pair could be opened here: 1 is locked or cannot be read.
           *[other] No key pair could be opened here: { $unread } are locked or cannot be read.
        }
       *[other]
            { $count ->
                [one] 1 key pair
               *[other] { $count } key pairs
            } here. { $unsaved ->
                [0] Every one is in a backup
                [one] 1 is not backed up yet
               *[other] { $unsaved } are not backed up yet
            }{ $unread ->
                [0] .
                [one] ; 1 more is locked or cannot be read, so nobody can tell whether it is backed up.
               *[other] ; { $unread } more are locked or cannot be read, so nobody can tell whether they are backed up.
            }
    }
list-certificate = no private key is here for the certificate of { $name } ({ $thumbprint })
list-authority = not included: the certificate of an authority that issued none of these key pairs: { $name } ({ $thumbprint })
list-certificate-perhaps = no private key was found for the certificate of { $name } ({ $thumbprint }); it may be in a file here that could not be opened or used: { $files }
further-certificates =
    kept with { $name }: { $count ->
        [one] 1 more certificate from its file
       *[other] { $count } more certificates from its file
    } ({ $names })
certificate-unread = note: in { $file }: { $reason }. The key pairs in the file are complete without this certificate; it is stored as it is
friendly-name-not-kept = note: in { $file } the same certificate is called { $name }; { $kept } is kept as its friendly name
renewed-by-win-acme = note: win-acme or simple-acme renews { $names }. What it needs for that is in no backup: it lies in C:\ProgramData\win-acme or C:\ProgramData\simple-acme, and its task in the Task Scheduler. On a new server install it and set the renewal up there once more, before the certificate ends
renewed-by-certify = note: Certify renews { $names }. What it needs for that is in no backup: it lies in C:\ProgramData\certify. On a new server install Certify and set the renewal up there once more, or import what its own export made
renewed-by-posh-acme = note: Posh-ACME renews { $names }. What it needs for that is in no backup: it lies in %LOCALAPPDATA%\Posh-ACME of the account that orders, and its task in the Task Scheduler. On a new server install the module, copy that folder or order once more, and make the task
renewed-by-windows = note: { $names } came from a template of your own certification authority. Where autoenrolment is on for it, Windows renews the certificate on a member of the domain, and IIS is bound to the new one only where "Enable Automatic Rebind of Renewed Certificate" was chosen in IIS Manager. Neither is in a backup: look at both on a new server
left-alone = not included from { $file }: { $what }
left-alone-crl =
    { $count ->
        [one] 1 certificate revocation list
       *[other] { $count } certificate revocation lists
    }
left-alone-secret =
    { $count ->
        [one] 1 secret that belongs to no certificate
       *[other] { $count } secrets that belong to no certificate
    }
left-alone-other =
    { $count ->
        [one] 1 entry of a kind that pfxvault does not know
       *[other] { $count } entries of a kind that pfxvault does not know
    } ({ $kind })
list-unreadable = attention: cannot be read: { $name }: { $reason }
contents-headline =
    { $server } ({ $id }): { $count ->
        [one] 1 key pair
       *[other] { $count } key pairs
    }. { $alone ->
        [yes] Generation { $number } alone, of { $day },
       *[no] Newest generation: { $number } of { $day },
    } { $age ->
        [ahead] made later than the clock here says
        [0] made today
        [one] made 1 day ago
       *[other] made { $age } days ago
    }
contents-generations =
    Generations:
    { $lines }
contents-generation = { $number } of { $day }: { $count ->
    [one] 1 key pair
   *[other] { $count } key pairs
}
contents-generation-clock = { $line } (this day is wrong: the clock was wrong when the generation was written)
contents-without-key = attention: { $name } was not saved: its private key could not be read when the backup was made
contents-password = { $name }:
column-names = host name
column-friendly-name = friendly name
column-thumbprint = thumbprint
column-expires = expires
column-key = key
column-generation = generation
column-chain = chain
column-backup = backup
column-file = file
column-label = label
column-newest = newest
column-seen = last here
column-verified = last verified
cell-none = none
cell-central = Central Certificate Store
cell-never = never
cell-backup = { $number } ({ $day })
cell-backup-retired = { $backup }, retired
cell-expired = { $day } (expired)
cell-not-yet-valid = { $day } (not valid yet)
cell-ends-soon = { $day } ({ $left ->
        [0] less than a day
        [one] 1 day
       *[other] { $left } days
    })
cell-weak = { $key } (weak)
cell-no-chain = { $key }, chain missing

## Weaknesses of key pairs that are saved all the same

warning-expired = attention: the certificate of { $name } expired on { $day }
warning-not-yet-valid = attention: the certificate of { $name } is not valid before { $day }
warning-weak-key = attention: the key of { $name } is weak ({ $key_type }); use a stronger one at the next renewal
warning-weak-signature = attention: the certificate of { $name } is signed with a weak method ({ $algorithm }); ask for a re-issue
warning-missing-intermediate = attention: the chain of { $name } has no certificate of "{ $issuer }"; a new server may not be able to send the chain
warning-read-in-part = attention: the certificate of { $name } can be read only in part; it is kept exactly as it is
warning-no-mac = attention: the PFX of { $name } has no checksum, so damage or changes in the file cannot be noticed

## Restore, export, drill

restore-from =
    { $alone ->
        [yes] From generation { $number } alone of the backup of
       *[no] From the backup of
    } { $server }: { $count ->
        [one] 1 key pair
       *[other] { $count } key pairs
    }. { $alone ->
        [yes] It was
       *[no] Its newest generation is { $number },
    } { $age ->
        [ahead] made later than the clock here says
        [0] made today
        [one] made 1 day ago
       *[other] made { $age } days ago
    }.{ $age ->
        [0] {""}
       *[other] {" "}Certificates renewed after that are not in it.
    }
restore-iis-files =
    { $count ->
        [one] 1 key pair came
       *[other] { $count } key pairs came
    } from a folder of files, such as a Central Certificate Store, and no binding names { $count ->
        [one] it. It is
       *[other] them. They are
    } not imported: { $names }
    To write the files: the same line with --to folder:{ -disk }certs. To import one all the same, add its name.
restore-missing = attention: left out: { $name }: { $reason }
restore-question = Write these files?
restore-retired-question = { $names } was retired. Restore it all the same?
plan-create = new: { $name } ({ $thumbprint }), { $end } -> { $path }
plan-replace = replaces a file: { $name } ({ $thumbprint }), { $end } -> { $path }
plan-renamed = attention: { $name } ({ $thumbprint }), issued { $begin }, { $end }, does not get its former file name { $was } here: { $reason }
plan-apart = attention: { $name } ({ $thumbprint }), issued { $begin }, { $end }, gets a file name with its thumbprint here, because another key pair of this restore takes the name of the host
reason-name-taken = another key pair of this restore has that name
reason-name-unusable = not every system can use that name for a key pair file
end-valid = valid until { $day }
end-soon = ends in { $left ->
        [0] less than a day
        [one] one day
       *[other] { $left } days
    } ({ $day })
end-expired = expired on { $day }
end-not-yet-valid = not valid before { $day }
standing-headline =
    { $total ->
        [one] { $valid } of { $total } certificate is valid today
       *[other] { $valid } of { $total } certificates are valid today
    }
standing-expired = attention: the certificate of { $name } ({ $thumbprint }) expired on { $day }. Clients refuse it: have it renewed, then save the new one: pfxvault backup --to { -stick }
standing-not-yet-valid = attention: the certificate of { $name } ({ $thumbprint }) is not valid before { $day }. Clients refuse it until then; if that day has come, set the clock of this machine
standing-soon = note: the certificate of { $name } ({ $thumbprint }) ends in { $left ->
        [0] less than a day
        [one] one day
       *[other] { $left } days
    } ({ $day })
restore-done =
    done: { $count ->
        [one] 1 key pair is
       *[other] { $count } key pairs are
    } in { $place } ({ $files ->
        [one] 1 file
       *[other] { $files } files
    })
restore-open-keys =
    attention: the private keys in { $place } are not encrypted. Whoever reads these files has the keys.
    Move them to where they are needed, and delete them everywhere else.
export-rules =
    These files hold private keys: do not send them by e-mail, and do not put them on a shared drive.
    Give them to nobody; a certificate authority never needs them. Do not forget the password.
drill-nothing = no key pair of { $server } counts any more, so there was nothing to rehearse
drill-verdict =
    { $good } of { $total } key pairs of { $server } can be restored ({ $alone ->
        [yes] generation { $number } alone,
       *[no] newest generation: { $number },
    } { $age ->
        [ahead] made later than the clock here says
        [0] made today
        [one] made 1 day ago
       *[other] made { $age } days ago
    })
drill-handshake = ok: { $name }: opened, key and certificate belong together, served a TLS connection ({ $version })
drill-signature = ok: { $name }: opened, key and certificate belong together, signed with it ({ $key_type }); TLS with such a key cannot be tried here
drill-failed = attention: cannot be restored from here: { $name }: { $reason }
drill-windows = this Windows takes { $good } of { $total } PFX files (tried with keys that are not kept)
drill-windows-refused = attention: this Windows does not take the PFX of { $name } ({ $interface }): { $reason }
drill-windows-hint = pfxvault restore --to iis works all the same: it brings the key in without a PFX. Only importing the file by hand fails here.
drill-windows-aes-hint =
    To write files that Windows Server 2012 to 2016 can import: pfxvault restore --from { -stick } --to folder:{ -disk }certs --for server2016
    To keep such files on the stick from now on: pfxvault backup --to { -stick } --for server2016 --force
reason-windows-no-aes = this Windows (build { $build }) cannot read a PFX encrypted with AES; Windows Server 2019 (build 17763) was the first that can
receipt =
    Receipt of a rehearsed restore
      when: { $time }, by { $by } on { $computer }
      opened with: { $kind ->
        [passphrase] the passphrase
        [recovery-key] the recovery key
        [age-key] an age key
        [ssh-key] an SSH key
        [plugin] a key of an age plugin
       *[shares] shares of a recovery key
    } ({ $way }){ $stock ->
        [0] {""}
       *[other] ; the files with age, by hand
    }
      from: { $media }
      vault: { $vault }
      server: { $server }
    { "  " }{ $alone ->
        [yes] generation { $number } alone
       *[no] newest generation: { $number }
    }, SHA-256 of its RECORD.TXT: { $hash }
      proven: { $count ->
        [one] 1 key pair
       *[other] { $count } key pairs
    }, { $everything ->
        [0] a part of those that count
       *[other] all of those that count
    }
receipt-pair = { "  " }{ $name }, until { $end }, { $thumbprint }
receipt-written = done: the receipt is in { $path }. It holds no secret.
stock-how =
    Type these lines into { -shell }, in this order, without pfxvault. They are those of README.TXT, for this stick.
    What comes out is secret: work on a computer you trust. Read RECORD.TXT and "Good" as README.TXT says.
stock-then =
    Then, in the same window, check what came out, and delete it with the lines that follow:
      pfxvault drill --from { $medium } --stock { -work-folder }
stock-stranger = attention: this is no key pair of the backup, or cannot be read: { $name }
stock-rest = { $count ->
        [one] 1 key pair
       *[other] { $count } key pairs
    } of the backup were not opened by hand: { $names }
stock-tidy-up = attention: the private keys in this folder lie open, and id.txt beside them opens the whole vault. Delete the folder now.
way-name = { $kind ->
        [passphrase] passphrase
        [recovery-key] recovery key
        [age-key] age key
        [ssh-key] SSH key
        [plugin] key of an age plugin
        [shares] shares
       *[unknown] passphrase or key
    } { $id }
way-proven = { $way }: last opened the vault here on { $day } ({ $by })
way-long-ago = { $way }: has not opened the vault here since { $day }. Try it: pfxvault drill --from { -stick }{ $option }
way-never = { $way }: no record that it ever opened the vault here. Try it: pfxvault drill --from { -stick }{ $option }
ways-tried = ways to open the vault, each tried here within a year: { $ways }

## Media, servers, access, copy

media-headline =
    { $count ->
        [0] This server knows no medium yet.
        [one] This server knows 1 medium.
       *[other] This server knows { $count } media.
    }
media-device = { "  " }{ $label }: { $device }
media-separated =
    done: { $medium } is a USB stick of its own now, called "{ $label }", and counts as one. What it holds has not changed.
    next: write the new name on it.
media-added =
    done: { $medium } is now a medium of the vault, called "{ $label }". It holds no key pairs yet.
    next: pfxvault backup --from { -source } --to { $medium }
servers-headline =
    { $count ->
        [one] 1 server is
       *[other] { $count } servers are
    } enrolled in the vault { $vault }
servers-this = { $server }: this server, may write; fingerprint of its key: { $fingerprint }
servers-other = { $server }: may write
servers-closed = { $server }: may no longer write
servers-not-on-media = { "  " }note: this server remembers that; the sticks given do not say so yet. Bring them up to date: pfxvault copy --from { -second-stick } --to { -stick }
servers-joined =
    done: this server ({ $server }) may now write to the vault { $vault }
    next: pfxvault backup --from { -source } --to { -stick }
access-headline =
    { $identities ->
        [0] No secret opens the vault from these sticks
        [one] 1 secret opens the vault
       *[other] Any one of { $identities } secrets (passphrases and keys) opens the vault
    }{ $others ->
        [0] {""}
        [one] . 1 age key decrypts new backups with age
       *[other] . { $others } age keys decrypt new backups with age
    }
access-identity = { $id }: { $kind ->
        [passphrase] a passphrase
        [recovery-key] a recovery key
        [age-key] an age key
        [ssh-key] an SSH key
        [plugin] a key of an age plugin
        [shares] shares of a recovery key
        [key] a recovery key, shares of one, or an age key
       *[elsewhere] a passphrase or a key, not on these sticks
    }; made { $made ->
        [none] elsewhere
       *[day] { $made } by { $maker }
    }; { $opened ->
        [none] has never opened the vault on this server
       *[day] last opened the vault on this server on { $opened } ({ $opener })
    }{ $replaced ->
        [none] {""}
       *[day] ; replaced on { $replaced }, still opens the vault
    }
access-only-one =
    attention: only this one thing opens the vault. If it is lost, every backup is lost with it.
    Add another: pfxvault access add recovery-key --to { -stick }
access-only-memory =
    attention: only passphrases open the vault. Who remembers them may leave; put a recovery key on paper, too:
      pfxvault access add recovery-key --to { -stick }
access-only-person = note: on this server only { $who } has opened the vault so far. Let a second person rehearse it, too: pfxvault drill --from { -stick }
access-key = { $key }: decrypts every new backup with age
access-retired = { $key }: no longer decrypts new backups; still decrypts the old ones
access-added =
    done: the new way to open the vault is on { $medium }. The ways there were before still work.
    It opens all backups, those made before it, too.
    next: bring the other media up to date with pfxvault copy --from { $medium } --to { -second-stick }
change-what-it-does =
    A new passphrase is made now. Nothing on a stick is ever taken away, so the old one does not stop opening it.
    That is enough where a passphrase is to be easier to type or to remember, or is forgotten.
change-trying = Trying the new passphrase on the stick. This takes a few seconds.
change-done =
    done: the new passphrase opens the vault on { $medium }; it was tried. It opens all backups, those made before it, too.
    next: bring the other media up to date with pfxvault copy --from { $medium } --to { -second-stick }
change-old-still-opens =
    attention: the old passphrase still opens this stick and every other one and every copy of them, for ever. It is only no longer counted here.
    If somebody knows it who should not, make a new vault, back up there, and destroy the old sticks:
      pfxvault create { -second-stick } --replace
    If that person could have had a stick, let all certificates be re-issued, too.
change-others-still-open =
    attention: every passphrase there was before still opens this stick and every other one and every copy of them, for ever.
    If somebody knows one who should not, make a new vault, back up there, and destroy the old sticks:
      pfxvault create { -second-stick } --replace
    If that person could have had a stick, let all certificates be re-issued, too.
access-key-added =
    done: the public key is on { $medium }. Its private key decrypts the files of every backup made from now on, with age.
    It does not open the vault in pfxvault (restore, drill), and decrypts no backup made before.
    Recovery by hand goes as in README.TXT; to check the signatures, it needs the fingerprint of the vault on paper: { $vault }
    next: bring the other media up to date with pfxvault copy --from { $medium } --to { -second-stick }
copy-done =
    done: { $medium } is up to date: { $added ->
        [0] nothing was missing
        [one] 1 generation was added
       *[other] { $added } generations were added
    }; already there: { $kept }; everything added was read back
copy-skipped =
    attention: not copied: generation { $generation }. None of the media given with --from holds it whole.
    Give another stick as well: pfxvault copy --from { -stick } --from { -second-stick } --to { -third-stick }

## Verify

verify-good =
    ok: { $count ->
        [0] the vault holds no generation yet
        [one] 1 generation is whole
       *[other] all { $count } generations are whole
    }; every byte was read from the media themselves and every signature is right ({ $size })
verify-at-rest =
    ok: { $count ->
        [0] the vault holds no generation yet
        [one] 1 generation is whole
       *[other] { $count } generations are whole
    }, read from the media themselves ({ $size }); nothing needs attention but what was put to rest ({ $rested })
verify-attention =
    attention needed: { $count ->
        [0] no generation is whole
        [one] 1 generation is whole and can be restored
       *[other] { $count } generations are whole and can be restored
    }; what needs attention is listed below
verify-forged =
    attention needed: { $count ->
        [0] no generation is whole
        [one] 1 generation is whole and can be restored
       *[other] { $count } generations are whole and can be restored
    }; something else on the media was not written by an enrolled server and does not count
verify-lost =
    damaged: { $count ->
        [0] no generation is whole
        [one] 1 generation is whole and can be restored
       *[other] { $count } generations are whole and can be restored
    }; not everything can be recovered from the media given (see below)
verify-newest = newest whole generation of server { $server }: { $number }

## Verify: what is found

found-not-pinned =
    note: this machine does not know the vault, so it cannot tell whether this is the right one.
    Compare the fingerprint with the one on the envelope: { $vault }
found-copy-bad =
    attention: one copy is damaged: { $path } on { $medium }. A good copy is there: { $good }
    Nothing is lost yet. Replace this stick soon: pfxvault copy --from { $medium } --to { -second-stick }
found-record-bad =
    attention: one copy of generation { $generation } is damaged: { $path }. Another copy of it is good.
    Nothing is lost yet. Replace this stick soon: pfxvault copy --from { -stick } --to { -second-stick }
found-one-copy =
    attention: { $medium } holds only one of the two copies of generation { $generation }
    Nothing is lost yet. To add the other one: pfxvault copy --from { $medium } --to { $medium }
found-owner-one-copy =
    attention: { $medium } lacks { $path }, one of the two copies of a part of the list of servers and ways to open the vault.
    Nothing is lost. The next backup to this stick adds it, and so does pfxvault copy --from { $medium } --to { $medium }
found-owner-copy-bad =
    attention: { $path } on { $medium } is damaged. It is a part of the list of servers and ways to open the vault.
    Nothing is lost: a good copy is { $good } on { $from }.
    The next backup to this stick writes it again, and so does pfxvault copy --from { $from } --to { $medium }
found-owner-remembered =
    attention: { $path } on { $medium } is damaged. It is a part of the list of servers and ways to open the vault.
    No good copy is on the media given, but this server remembers its content: the next backup to this stick writes it again.
    Do that soon. Until then nobody else can restore everything from this stick.
found-mended = note: what is damaged or missing there is written again, where a good copy is known.
found-file-lost =
    attention: generation { $generation } has no good copy of { $file } on the media given, so not all of it can be restored from here.
    Check it together with your other sticks: pfxvault verify { -stick } { -second-stick }
    If no stick has it and the server still runs, make a backup now, on a new stick: pfxvault backup --to { -third-stick }
found-damaged =
    attention: generation { $generation } is damaged on the media given and cannot be restored from here.
    Check it together with your other sticks: pfxvault verify { -stick } { -second-stick }
    If the server still runs, make a backup now, on a new stick: pfxvault backup --to { -third-stick }
found-unfinished =
    attention: the backup of generation { $generation } was begun but not finished, perhaps because the stick was removed too early.
    It does not count; earlier generations do. Run the backup again.
found-newer-elsewhere =
    attention: generation { $generation } is newer than what is here, and lies on a medium that was not given.
    Find that stick, or make a new backup to this one.
found-overdue =
    attention: the next backup or check was due on { $due } (generation { $generation }).
    Certificates may have been renewed since. Make a new backup.
found-foreign =
    attention: { $path } (called generation { $generation }) was not written by a server that may write to this vault.
    It does not count and is never restored; what enrolled servers wrote is not affected.
    Find out who had this stick, and keep it apart until you know.
found-not-admitted =
    attention: { $path } (called generation { $generation }) is of a server that the list of servers here does not admit. It does not count and is not restored.
    Perhaps the part of the list that admits it is damaged or missing here. Check it together with your other sticks: pfxvault verify { -stick } { -second-stick }
    If none of them knows that server, somebody put it there: find out who had this stick, and keep it apart until you know.
found-closed =
    attention: { $count ->
        [one] 1 generation of the server { $server } here does not count
       *[other] { $count } generations of the server { $server } here do not count
    }: the owner of the vault ended that server's right to write. They are never restored.
    If you do not know where they come from, find out who had this stick.
found-bad-statement =
    attention: { $count ->
        [one] 1 entry in the list of servers and ways to open the vault does
       *[other] { $count } entries in the list of servers and ways to open the vault do
    } not come from the owner of this vault, and nothing in them counts.
    The file may be damaged, or somebody put it there. Compare with another stick, and find out who had this one.
found-statement-damaged =
    attention: { $path } on { $medium } is damaged, and no good copy of it is known here{ $more ->
        [0] {""}
        [one] ; so is 1 more file
       *[other] ; so are { $more } more files
    }. It said which servers or ways to open the vault count.
    Backups of a server that only this part admits do not count without it. Give another stick of the vault as well, which may hold it.
    To bring it back from there: pfxvault copy --from { -second-stick } --to { $medium }
found-statement-lost =
    attention: { $medium } lacks a part of the list of servers and ways to open the vault, on which backups on it depend.
    It is known from another stick or from what this server remembers: the next backup to this stick writes it again.
    Do that soon. Until then nobody else can restore everything from this stick.
found-fork =
    attention: there are two different backups with the number { $number } of server { $server }. Both are kept.
    This happens when a server is set back to an older state, for example from a disk image or a virtual machine checkpoint, and backs up again.
    Make a new backup; it gets a number of its own.
found-contradiction =
    attention: generation { $generation } does not continue the earlier generation that is here.
    This happens when a server is set back to an older state, or when a stick is replaced by an older copy.
    Both are kept. Make a new backup, and look at the older one with pfxvault contents before you restore from it.
found-rolled-back =
    attention: USB stick "{ $label }" holds less than before: generation { $known } of server { $server } was on it, but { $here ->
        [0] now no whole one is there
       *[other] now the newest whole one is { $here }
    }.
    Its files were lost, or it was replaced by an older copy. Do not take it for the newest: use another stick, or make a new backup.
found-out-of-use = USB stick { $label } was taken out of use on { $since } and does not count as a backup; to use it again: pfxvault media retire "{ $label }" --undo
found-not-by-this-state =
    attention: generation { $generation } is signed with this server's own key, but this server does not remember writing it.
    Usually the server was set back to an older state, as by a virtual machine checkpoint: then just go on; the next backup gets a number of its own.
    Or a copy of this server is running somewhere: enrol one of the two anew: pfxvault servers join { -stick } --state { -disk }pfxvault-new
    If neither is true, someone else may have the key: enrol this server anew in the same way.
found-copies-older =
    attention: { $newer } and { $older } both have the label "{ $label }": one is a copy of the other, and they count as one.
    The newest of the two is { $newer }: use that one. Bring the other up to date with pfxvault copy --from { $newer } --to { $older }
    and make it a stick of its own with pfxvault media add { $older }
found-copies-same =
    attention: { $one } and { $other } both have the label "{ $label }": one is a copy of the other, and they count as one.
    Neither is newer. Make one of them a stick of its own: pfxvault media add { $other }
found-copies-apart =
    attention: { $one } and { $other } both have the label "{ $label }": one began as a copy of the other, and they count as one.
    Each holds backups that the other one does not. Bring both up to date: pfxvault copy --from { $one } --to { $other }, then the other way round.
    Then make one of them a stick of its own: pfxvault media add { $other }
found-other-device =
    attention: { $medium } has the label "{ $label }", but the stick with this label was another device or file system when it was last here.
    Before: { $before }
    Now: { $now }
    A card in another reader and files copied to a new stick look like this. If nobody did that, find out who had the stick, and compare its contents with another one.
    If it is a copy and you keep both, make it a stick of its own: pfxvault media add { $medium }
found-known-device =
    note: USB stick "{ $label }" ({ $medium }) is back on an earlier device: { $now }
    Last time it was on { $before }.
found-alternating =
    note: USB stick "{ $label }" was seen in turn on { $one } and on { $other }.
    It is a card used in two readers, or two sticks have this label and count as one. If there are two, plug in the copy and run: pfxvault media add { -stick }
found-replaced =
    attention: USB stick "{ $label }" has not been plugged in since "{ $other }" was first used, and both give the same serial number.
    If "{ $other }" is that stick, formatted anew, then what was on "{ $label }" is gone: pfxvault media retire "{ $label }"
    If you have both, plug "{ $label }" in and check it: pfxvault verify { -stick }
found-same-label =
    note: { $medium } has the label "{ $label }", and so has another USB stick that this server knows.
    Mark both, so that nobody confuses them.
found-remade =
    attention: { $medium } ({ $device }) was USB stick "{ $label }" when it was last here; now it is empty or another stick.
    If it was formatted or filled anew, what was on "{ $label }" is gone: pfxvault media retire "{ $label }"
    If you have "{ $label }" in your hands as well, nothing is wrong: some sticks of one make, and all cards in one reader, give the same serial number.
found-statement-missing =
    attention: the list of servers and ways to open the vault is not complete on these media.
    They may be older than others. Bring them up to date: pfxvault copy --from { -stick } --to { -second-stick }
found-identity-missing =
    attention: { $count ->
        [one] 1 passphrase or recovery key is
       *[other] { $count } passphrases or recovery keys are
    } not on these media, and cannot open the vault from them.
    Bring them up to date from another stick: pfxvault copy --from { -stick } --to { -second-stick }
found-identity-lost =
    attention: { $count ->
        [one] 1 passphrase or recovery key no longer opens
       *[other] { $count } passphrases or recovery keys no longer open
    } the vault from { $medium }: the files are gone from PFXVAULT/A/OWNER and PFXVAULT/B/OWNER there, or damaged in both.
    The next backup to this stick writes them again if this server remembers them. Else another stick may have them: pfxvault copy --from { -second-stick } --to { $medium }
found-identity-unknown =
    attention: { $path } on { $medium } holds a passphrase or recovery key that the owner of the vault did not list.
    Perhaps adding it was interrupted, or it is a listed one that was damaged. If neither can be, find out who had this stick.
found-newer =
    attention: { $path } was made by a newer pfxvault. It is not damaged, but this version cannot read it.
    Use the newer version.
found-newer-statement =
    attention: part of the list of servers and ways to open the vault was made by a newer pfxvault. Use the newer version.
found-readme =
    attention: README.TXT on { $medium } is missing, or is not the one that pfxvault writes. Do not follow instructions in it.
    The next backup or copy to this stick writes it anew. If nobody here changed it, find out who had the stick.
found-readme-old =
    note: README.TXT on { $medium } is that of an earlier pfxvault. Do not type its lines for Windows: a program that somebody put on the stick might run.
    The next backup or copy to this stick writes it anew.
found-program =
    attention: { $path } on { $medium } does not belong to the vault and can be run as a program. pfxvault never runs it.
    Do not open it. Find out who had this stick, then delete that file.
found-unsearched =
    attention: { $path } on { $medium } does not belong to the vault and holds more files, or deeper folders, than are looked at. Programs may be among them.
    Do not open anything in it. Find out who had this stick, then delete that folder.
found-crowded =
    attention: { $medium } holds more than is looked at: { $count } files or folders from { $path } on were left out.
    Backups at their usual places were looked at first; something else may have been missed. No stick fills up like that by itself: find out who had it.
    Take what is good to a new stick: pfxvault copy --from { $medium } --to { -second-stick }
found-unread =
    attention: { $medium } holds so many large files in places of damaged ones that some were not read. A file that is called lost may be among them.
    No stick fills up like that by itself: find out who had it. Take what is good to a new stick: pfxvault copy --from { $medium } --to { -second-stick }
found-more =
    { $first }
    { $count ->
        [one] There is 1 more like this, which is
       *[other] There are { $count } more like this, which are
    } not listed.
found-unexpected = note: { $path } on { $medium } does not belong to the vault. It is left alone.

## What must be heard before a restore

doubt-damaged =
    attention: generation { $number } is damaged here. An earlier one is used if there is a whole one, else what is left of it.
    Another stick may hold it whole: give that one as well with --from.
doubt-unfinished =
    attention: the newer generation { $number } was begun but not finished; it does not count, and an older one is used.
    Another stick may hold it whole: give that one as well with --from.
doubt-foreign =
    attention: the newer generation { $number } was not written by a server that may write to this vault; it is not used.
    Find out who had this stick.
doubt-two-of-a-number =
    attention: there are two different backups with the number { $number }. This happens when a server is set back to an older state and backs up again.
    Compare names and expiry dates with pfxvault contents before you use it.
doubt-statement-missing =
    attention: the list of servers and ways to open the vault is not complete on these media, so they may be older than others.
    Use the newest stick if you have a choice.
doubt-not-admitted =
    attention: { $count ->
        [one] 1 generation is left out: it is of a server that the list of servers here does not admit
       *[other] { $count } generations are left out: they are of servers that the list of servers here does not admit
    }. Either the part of the list that admits them is damaged or missing, or somebody put them there.
    Another stick may hold the whole list: give that one as well with --from. What is damaged: pfxvault verify { -stick }
doubt-another-vault =
    attention: { $medium } holds another vault and is not used.
    Its fingerprint is { $vault }; the vault that was opened is { $ours }.
stick-of-another-vault =
    attention: { $medium } holds another vault than the one of this server, and needs the passphrase of that one.
    Its fingerprint is { $vault }; that of this server's vault is { $ours }.
doubt-key-pair-damaged =
    attention: the key pair of { $name } is damaged in every copy here (generation { $number }).
    Another stick may hold it whole: give that one as well with --from.
counts-older =
    { $count ->
        [one] 1 key pair comes from an earlier backup; the newest (generation { $number }) does not hold it
       *[other] { $count } key pairs come from earlier backups; the newest (generation { $number }) does not hold them
    }:
    { $names }
names-in-generation = generation { $number }: { $names }
not-here =
    attention: { $name } (ends { $end }) belongs to this backup and is not on what was given: it is in generation { $numbers }.
    Give the stick that holds it as well with --from. If no stick has it any more, back it up again where it is still in use.
not-here-but-on =
    attention: { $name } (ends { $end }) belongs to this backup and is not on what was given: it is in generation { $numbers }, on { $media }.
    Insert that stick and give it as well with --from.
no-more =
    { $count ->
        [one] 1 key pair was renewed, has ended or was retired, and is not restored
       *[other] { $count } key pairs were renewed, have ended or were retired, and are not restored
    }. To restore one all the same, name it by its whole thumbprint (pfxvault contents --json shows it); a retired one also needs --retired.
    { $names }
no-more-renewed = { $name } ({ $thumbprint }, ends { $end }, generation { $number }): renewed by { $by }
no-more-ended = { $name } ({ $thumbprint }, generation { $number }): ended on { $end }
no-more-retired = { $name } ({ $thumbprint }, ends { $end }, generation { $number }): retired on { $day } by { $by }: { $reason }
retired-leaked = others may have the key
retired-revoked = the certificate was revoked
retired-removed = it is not used any more
retired-lost = no USB stick has it any more
retired-otherwise = { $reason }
doubt-state-unread =
    attention: what this machine remembers could not be read: { $reason }
    Whether there is a newer backup elsewhere was not checked.
state-not-noted =
    attention: this machine could not note this for later: { $reason }
doubt-newer-elsewhere =
    attention: there is a newer backup of this server on a medium that was not given.
    If you have that stick, use it, or give it as well with --from.
doubt-other-name =
    attention: in generation { $number }, { $server } calls itself { $name }. That is not the name under which the owner admitted it.
    Whoever has its key may want it to be taken for another server: go by the id { $server }, and ask whoever runs it.
    If the name is right: on that server, pfxvault servers rename NAME --to { -stick }
doubt-said-newer =
    attention: according to server { $witness }, on { $day } there was a generation { $number } of this server. The newest here is { $here }.
    The stick may have been set back. Look for the stick that has it, and give it as well with --from.
doubt-said-retired = attention: according to server { $witness } on { $day }, { $name } ({ $thumbprint }) must not be used any more ({ $reason }). That server cannot decide this for this one, so nothing is left out. If it is true: pfxvault retire { $name } --reason REASON --server SERVER --to { -stick }
doubt-owner-retired = attention: the owner retired { $name } ({ $thumbprint }, { $reason }) on { $day }, for server { $server } only. If it holds here, too: pfxvault retire { $name } --reason REASON --server SERVER --to { -stick }
doubt-owners-word-unread = attention: the owner retired key pairs of this server in an entry that cannot be opened here, so nobody can tell which
clock-behind-backup = the clock here says { $clock }, but the newest backup was made on { $backup }: set the clock right, because ages and expiry dates cannot be judged by it
clock-behind-release = the clock here says { $clock }, but this pfxvault was released on { $released }: set the clock right, because ages and expiry dates cannot be judged by it
clock-ahead = the clock here says { $clock }, many years after anything known here ({ $last }): if that is wrong, set the clock right, because ages and expiry dates are judged by it
doubt-overdue =
    attention: a newer backup should have followed generation { $number } by { $due }. Certificates may have been renewed since.
    Look for a newer stick, and compare the expiry dates with what is in use now.

## What is going on

progress-sealing =
    { $count ->
        [one] exporting, checking and encrypting 1 key pair
       *[other] exporting, checking and encrypting { $count } key pairs
    }
progress-writing = writing generation { $number } to { $medium } and reading it back
progress-rereading = reading the earlier generation { $number } again
progress-copying = copying generation { $generation }

## Parts of sentences: why

os-full = no space is left
os-read-only = it is write-protected
os-denied = access is denied
os-not-found = it is not there
os-exists = it exists already
os-not-a-folder = it is not a folder
os-is-a-folder = it is not a file, but a folder or a device
os-too-large = it is too large
os-other = { $words }
reason-in-use = something on it is still open; close the windows and programs that show it
reason-used-by = it is still in use by { $programs }; end that first
reason-beside = { $other } is on the same device and in use as well
reason-built-in = it is not a device that can be taken out
reason-not-allowed = only an administrator may do that here
reason-medium = { $path }: { $reason }
reason-reads-back-other = { $path } does not read back as it was written
reason-wrong-password = the password does not open it
reason-no-password = it is protected by a password, and none was given (--source-password-file FILE, or --source-passwords FILE where each file has its own)
reason-part-damaged = a certificate or key in it is cut off or garbled
reason-key-encryption = the key in it is encrypted with { $algorithm }, which pfxvault cannot read; this makes a key that it can: openssl pkcs8 -topk8 -in OLD.key -out NEW.key
reason-key-store = it is a key store ({ $form }) of a kind that pfxvault does not read; this makes a PFX of it: keytool -importkeystore -srcstoretype { $form } -srckeystore OLD -destkeystore NEW.p12 -deststoretype PKCS12
reason-pvk-encrypted = the key in it is under a password of Microsoft's old form; this makes a key that pfxvault reads: openssl rsa -inform PVK -in OLD.pvk -out NEW.key
reason-too-much-work = opening it would take unreasonably long
reason-unsupported = it uses { $algorithm }, which pfxvault does not support
reason-malformed = it is damaged or not a PFX
reason-not-read-back = the PFX just made does not read back as it was meant
reason-key-damaged = the private key in it is damaged
reason-key-malformed = the private key in it is not in a form that can be read
reason-key-unsupported = its private key is of a kind that pfxvault cannot use: { $algorithm }
reason-key-locked = its private key has another password than the file; save the file again with one password for both
reason-certificate-unreadable = certificate { $number } of { $count } in it cannot be read
reason-certificate-malformed = a certificate in it is malformed
reason-key-not-known = no private key can be read in it, and none is here for the certificate of { $certificate }, which may be its own. Put the key there as PEM, DER or PFX
reason-no-certificate = no certificate belongs to the private key in it ({ $key_type })
reason-no-mac = it has no checksum, so it cannot be proven unchanged
reason-file-damaged = { $file } is damaged in every copy here
reason-seal = { $file } cannot be decrypted
reason-other-certificate = the certificate in it is not the one in the list of the backup
reason-without-key = the backup has no private key of it
reason-without-key-then = the backup has no private key for it; the reason when it was made: { $reason }
tls-key-not-servable = this program cannot use a key of type { $key_type } for TLS
tls-wrong-signature = a signature made with the private key does not verify with its certificate
tls-alert = the other side ended the connection: { $alert }
tls-bad-certificate = the certificate shown cannot be used for TLS
tls-incompatible = both sides have no version or cipher of TLS in common
tls-no-tls = what answers does not speak TLS
tls-failed = TLS could not be agreed on
reason-handshake = a TLS connection with it fails ({ $detail })
seen-network = a network drive ({ $file_system })
seen-system-disk = the disk the system runs from ({ $file_system })
seen-memory = main memory, which is empty after a restart ({ $file_system })

## Errors: questions, secrets and files with secrets

error-output-lost = the result could not be written to standard output: { $reason }
    .cause = standard output was redirected to a place that took only part of it, or nothing
    .hint = What the command changed stays changed; make room or choose another place, and run "pfxvault status" to see where things stand
error-unanswered = cannot ask, because there is no console: { $question }
    .cause = the command does not run in a console window, or its input or messages are redirected
    .hint = Look at the plan with --dry-run, then answer with --yes, or run the command in a console window
error-no-terminal = cannot ask, because there is no console: { $question }
    .cause = the command does not run in a console window, or its input or messages are redirected
    .hint = Run the command in a console window, or put the answer in a file only you can read: { $option } FILE
error-no-answer = the input ended before there was an answer
    .hint = Run the command again in a console window, and answer its questions
error-declined = stopped, because the answer was no
    .hint = Run the same command again when you are ready
error-nobody-to-show = a secret must be shown here, and nobody can see it
    .cause = the command does not run in a console window, or its input or messages are redirected
    .hint =
        Run the command in a console window without redirecting anything; for a new vault without a console:
        pfxvault create { -stick } --passphrase-file FILE --recovery-key-file NEWFILE
error-secret-differs = the two entries differed, three times
    .hint = Check Caps Lock, the input method and the keyboard layout, then run the same command again
error-secret-file-unreadable = cannot read { $path }
    .cause = { $reason }
    .hint = Check the path, and that you may read the file
error-secret-file-shared = others can read { $path }, so it is no secret
    .hint =
        Let only yourself read it, then run the same command again
        Windows: icacls "{ $path }" /inheritance:r /grant:r "%USERNAME%":R
        Linux: chmod 600 "{ $path }"
error-secret-file-encoding = the first line of { $path } is neither UTF-8 nor UTF-16 text
    .hint = Open the file in Notepad and save it again with the encoding UTF-8
error-empty-secret-file = the first line of { $path } is empty
    .hint = Put the passphrase or password on the first line of the file
error-no-pfx-password = a PFX needs a password
    .hint = Run the command in a console window and type one, or put it in a file: --pfx-password-file FILE
error-not-all-tried = not all ways to open the vault were tried
    .cause = this medium has more of them than a vault usually has, or they ask for more work
    .hint =
        The passphrase may still be right
        Use another USB stick of the same vault, or answer yes when you are asked whether to go on
error-unfit-passphrase = the passphrase in { $path } is not good enough for a new vault
    .cause = { $reason }
    .hint = Write another one into the first line of the file, or leave out the option and follow the questions on the screen
error-wrong-passphrase = this passphrase does not open the vault on { $medium }
    .again =
        Please type it once more. Watch Caps Lock, the keyboard layout, and the input
        method (half-width letters).
    .hint =
        Run the same command again; type the passphrase only when it asks.
        Watch Caps Lock, the keyboard layout, and the input method (half-width
        letters).
        Generated words are lower case with one blank between them.
        If it is forgotten, open the envelope and add --recovery-key to the
        command. What runs on the server is not affected.
        If nothing opens the vault any more, make a new one while the servers
        still have their key pairs: pfxvault create { -second-stick } --replace
error-wrong-recovery-key = this recovery key does not open the vault on { $medium }
    .cause = it was typed correctly, but belongs to another vault, or was added after this medium was last brought up to date
    .again =
        It was typed correctly, but belongs to another vault, or was added after this
        medium was last brought up to date. Please type the key of this vault.
    .hint =
        Look for the envelope of this vault, or try another stick, and run the
        same command again. Or leave out --recovery-key, and type the passphrase
        when it asks.
error-recovery-key-typo = this is not a whole recovery key: a character is wrong or missing
    .again =
        Please type all groups from the paper once more. They begin with
        AGE-SECRET-KEY-1; after that there is never the digit 1 and never a B, I or O.
    .hint =
        Run the same command again; type all groups from the paper only when it
        asks. They begin with AGE-SECRET-KEY-1; after that there is never the
        digit 1 and never a B, I or O.
error-shares-typo = this is no whole share: words are wrong or missing
    .hint = Run the same command again, and type all rows of each paper; or give their files with --share-file
error-shares-unfit = these shares do not give a key together, though the words of each are right
    .cause = one of them was changed after it was made
    .hint = Use another share in the place of each in turn, and find the one that does not fit
error-shares-missing = { $missing ->
        [one] 1 share is missing
       *[other] { $missing } shares are missing
    }; { $given ->
        [one] 1 was given
       *[other] { $given } were given
    }
    .hint = Name more of them, each with --share-file FILE ; to type them: --shares
error-share-typo = { $path } holds no whole share
    .cause = { $reason }
    .hint = Compare the file with the paper, row by row; three words are a row
error-share-foreign = the share in { $path } does not belong to the others that were given
    .cause = it is of another set, or of another vault
    .hint = Use the shares of one set; all of them begin with the same two words
error-share-double = the share in { $path } is number { $number }, which was given already
    .hint = Use the share of another envelope
error-envelope-of-other-vault = this page is for the vault { $vault }, and this stick or server belongs to { $ours }
    .cause = it was put into the wrong envelope, or is of a former vault
    .hint = Look for the envelope of this vault; or insert a stick of the vault that the page is for
error-no-share = { $path } holds another paper, and no share
    .hint = A recovery key is given with --recovery-key-file FILE ; the instruction sheet holds no secret
error-share-is-no-key = { $path } holds a share, which alone opens nothing
    .hint = Give all shares that are needed: --share-file FILE --share-file FILE ; or type them: --shares
error-wrong-shares = the key that these shares make does not open the vault on { $medium }
    .cause = they belong to another vault, or were added after this medium was last brought up to date
    .hint = Look for the envelopes of this vault, or try another stick, and run the same command again
error-share-counts = { $way } is no division into shares
    .cause = of N shares (2 to { $most }), K are needed (2 or more, and not more than N)
    .hint = Write shares:K/N, for example three shares of which any two are needed: pfxvault access add shares:2/3 --to { -stick }
error-share-files = { $given } files are named for { $count } shares
    .hint = Name one file for each share: --new-share-file FILE ; without the option, each share is shown once, to be written on paper
error-recovery-key-in-file = { $row ->
        [0] the recovery key in { $path } is not whole: several characters are wrong or missing
       *[row] the recovery key in { $path } is wrong in row { $row }
    }
    .hint =
        Compare the file with the paper, row by row; six characters are a row. After
        AGE-SECRET-KEY-1 there is never the digit 1 and never a B, I or O.
error-recovery-key-file = cannot write the recovery key to { $path }
    .cause = { $reason }
    .hint = Name a file that does not exist yet, in a folder you may write to: { $option } NEWFILE
error-man-pages = cannot write the manual pages to { $path }
    .cause = { $reason }
    .hint = Name a folder you may write to: pfxvault man FOLDER
error-no-age-key = { $path } holds no age key that pfxvault can use
    .cause = its first line that does not begin with # is not AGE-SECRET-KEY-1... or AGE-PLUGIN-..., and it is no private key for SSH
    .hint = Give the file that age-keygen, the plugin or ssh-keygen wrote, or open the vault with the passphrase or the recovery key
error-ssh-rsa = keys of the kind { $name } cannot open a vault
    .cause = decrypting with them can show the key to whoever measures the time it takes (RUSTSEC-2023-0071)
    .hint = Use a key of the kind { $taken }; to make one: { $make }
error-ssh-algorithm = keys of the kind { $name } cannot open a vault
    .cause = of keys for SSH, age takes only { $taken } and RSA, and pfxvault only the first
    .hint = Use a key of the kind { $taken }; to make one: { $make }
error-ssh-encrypted = the SSH key in { $path } is protected by a passphrase of its own
    .cause = pfxvault reads only those that are not
    .hint =
        Make a copy where only you can read it, and take the passphrase off the copy:
          { $line } COPY
        Then give the copy with --age-key-file, and delete it afterwards.
error-ssh-unread = this is no key for SSH that can be read: { $what }
    .hint = Give all of the line from the file that ends in .pub in quotation marks, or the private key as ssh-keygen wrote it
error-decrypt-only = only an age public key (age1...) can be added with --decrypt-only
    .hint = Leave the option out, and the key opens the vault
error-change-same = this is the old passphrase; nothing was changed
    .hint = Choose another one. The old one still opens the vault
error-change-untried = the new passphrase was written to { $medium }, but does not open the vault there when it is read back
    .cause = the stick may be failing
    .hint = Go on using the old passphrase. Check the stick: pfxvault verify { $medium } ; and bring another one up to date with pfxvault copy
error-not-wrapped = the vault could not be sealed to the key { $way }
    .cause = the age plugin did not do it
    .hint = See what the plugin said, try the key with age itself, then run the same command again
error-plugin-missing = the age plugin { $program } is not in a folder of PATH on this machine
    .hint = Install it on this machine, and check that the command { $program } is found; or open the vault in another way
error-plugin-place = the age plugin { $program } was not run from { $path }
    .cause = whoever can write there could have put another program in its place: it is on the USB stick, or depends on the current folder
    .hint = Install the plugin on this machine, in a folder of PATH that only administrators can write to
error-plugin-debug = no age plugin is run while the variable { $variable } is set
    .cause = it makes the keys visible that the plugin opens
    .hint = Delete the variable from the environment, then run the same command again
error-wrong-age-key = the age key in { $path } does not open the vault
    .hint = Try a stick that was written after the key was added, or open the vault another way and add it: pfxvault access add age1... --to { -stick }
error-key-of-other-vault = this recovery key is said to be for the vault { $said }, but it opened { $vault }
    .cause = somebody may have put another vault in the place of yours
    .hint = Do not use this stick. Try another stick of the vault, and compare the fingerprint with the instruction sheet
error-envelope-beside-vault = the recovery key was not written to { $path }: it would lie beside the vault that it opens
    .cause = rule password-kept: whoever finds the stick would have the key as well
    .hint =
        Name a file in another place, print it, and delete it.
        To do it anyway, give the reason: --accept password-kept=REASON
error-envelope-needs-key = the envelope needs the recovery key, which is stored nowhere
    .hint =
        Use the one you have: pfxvault sheet --envelope --recovery-key --to NEWFILE.pdf
        Or make a new one: pfxvault access add recovery-key --to { -stick } --new-recovery-key-file NEWFILE.pdf
error-envelope-needs-file = an envelope is written to a file only
    .hint = Name a new file: --to NEWFILE.pdf
error-paper = the page { $path } cannot be made
    .cause = { $reason }
    .hint = Choose another form: --to { $other }
error-paper-unwritten = cannot write the page { $path }
    .cause = { $reason }
    .hint = Name a file that does not exist yet, in a folder you may write to
error-paper-unread = cannot read { $path }
    .cause = { $reason }
    .hint = Give a text, HTML or PDF file that pfxvault sheet wrote, or a scan as PNG, JPEG or PDF
error-receipt = the receipt cannot be written to { $path }; the drill itself was done
    .cause = { $reason }
    .hint = Give the name of a new file in a folder that you can write to
error-receipt-exists = there is already a file at { $path }
    .hint = Give the name of a new file for the receipt
error-stock-nothing = nothing in { $folder } is a key pair of the backup, so nothing was proven
    .hint =
        Give the folder in which the lines of README.TXT left the files (K0000001.pfx and so on),
        and leave their names as they are. To see the lines: pfxvault drill --stock
error-stock-no-folder = the lines of README.TXT work on a stick or a folder only
    .hint = Give a stick, not a parcel: pfxvault drill --stock --from { -stick }
error-no-paper = { $path } shows no instruction sheet and no envelope of pfxvault
    .cause = there is no text of one in it, and no square code that can be read
    .hint =
        Scan the page flat at 300 dpi, in grey, as PNG, JPEG or PDF with JPEG pictures.
        Or type it: pfxvault sheet --check, and for the envelope pfxvault sheet --check --envelope --recovery-key
error-sheet-is-no-key = { $path } is the instruction sheet, which holds no key
    .hint = Take the envelope with the recovery key
error-sheet-of-other-vault = this sheet is for another vault ({ $vault }) than the one here ({ $ours })
    .hint = Look for the sheet with the fingerprint of this vault, or make a new one: pfxvault sheet --to NEWFILE.pdf

## Errors: the command line

error-usage = these options cannot be combined: { $argument }
    .hint = See what can be combined: pfxvault help, then the name of the command, such as pfxvault help backup
error-argument-not-utf8 = a word of the command line is not UTF-8
    .cause = it is in the character set of a locale such as EUC-JP or Shift_JIS, and names and paths are taken in UTF-8
    .hint = Go to the folder first and use a name in ASCII there, or rename it
error-idle-option = { $option } would change nothing here
    .cause = it is only for { $only }
    .hint = Leave it out, or see what it is for: pfxvault help restore
error-unknown-command = there is no command { $command }
    .cause = { $like ->
        [none] {""}
       *[other] perhaps { $like } is meant
    }
    .hint = See all commands: pfxvault help
error-unknown-argument = the command does not know { $argument }
    .cause = { $like ->
        [none] {""}
       *[other] perhaps { $like } is meant
    }
    .hint = See what it takes: pfxvault help, then the name of the command, such as pfxvault help backup
error-missing-argument = something is missing in the command: { $argument }
    .hint = See what it takes: pfxvault help, then the name of the command, such as pfxvault help backup
error-invalid-value = "{ $value }" is not a possible value of { $argument }
    .cause = { $like ->
        [none] possible values: { $valid }
       *[other] perhaps { $like } is meant; possible values: { $valid }
    }
    .hint = See what it takes: pfxvault help, then the name of the command, such as pfxvault help backup
error-unknown-name = nothing here is called { $name }
    .hint = See what is there with pfxvault list (files) or pfxvault contents (vault), and use a name or thumbprint from it
error-no-more = what is called { $name } was renewed or has ended, and is not restored by its name
    .hint = To restore it all the same, name it by its thumbprint: { $thumbprints }
error-not-here = { $name } is in generation { $numbers } of this backup, which is on none of the sticks given
    .cause = { $media }
    .hint = Insert that stick and give it as well with --from
not-here-on = as far as this server remembers, it is on { $media }
not-here-nobody-knows = this computer does not know which stick has it
error-two-of-a-number = there are two different backups with the number { $number }
    .cause = a server was set back to an older state and backed up again
    .hint = Say which one is meant: --generation with one of { $names }. To look at one first, give the same to pfxvault contents
error-retired = { $name } was retired and is not restored: { $reason }
    .hint = To restore it all the same: the same line with --retired. To take the retirement back, on its server: pfxvault retire { $name } --undo
error-retire-unknown = no backup of this server holds a key pair { $name } to which this applies
    .hint = See what there is with pfxvault contents, and use a name or thumbprint from it
error-retire-unknown-of = the backup of { $server } holds no key pair { $name } to which this applies
    .hint = See what there is with pfxvault contents --from { -stick }, and use a name or thumbprint from it
error-retire-own-server = that is this server; nothing was changed
    .hint = Leave --server and --to out; no passphrase is needed: pfxvault retire NAME --reason leaked
error-retired-by-owner = the vault's owner retired { $name }, and only the owner can take that back; nothing was changed
    .hint = With the passphrase: pfxvault retire { $name } --undo --server { $server } --to { -stick }
error-server-name = { $name } cannot be the name of a server
    .hint = Choose one of at most 64 bytes, without control characters, such as WEB01
error-unknown-source = { $source } is not a place to read key pairs from
    .hint = Write folder:{ -disk }certs, pfx:{ -disk }www.pfx, or pem:{ -disk }www.crt with --key { -disk }www.key
error-unknown-destination = { $destination } is not a place to write key pairs to
    .hint = Write folder:{ -disk }restored, pfx:{ -disk }www.pfx, or pem:{ -disk }restored
error-unknown-way = { $way } is nothing that can be added
    .hint = Write passphrase, recovery-key, shares:2/3, or the age public key of a second person (age1...): pfxvault access add recovery-key --to { -stick }
error-too-many-ways = there may be at most { $most } passphrases and recovery keys, so nothing was added
    .cause = with more, some would not be read, and the vault could not be opened with them
    .hint = Use one that is there; to see them: pfxvault access list { -stick }
error-unknown-rule = there is no handling rule { $rule }
    .hint = The rules are no-email, no-shared-drive, other-medium, no-handover, password-kept, and no-key:NAME for one key pair: --accept other-medium="test machine"
error-until = { $day } is not a day within a year from today
    .hint = Write the last day on which the exception holds, as in --until 2027-03-31
error-no-finding = there is nothing here with the id { $id } that needs attention
    .cause = { $known ->
        [none] nothing here needs attention
       *[other] what needs attention here: { $known }
    }
    .hint = Write the id of a point that is listed here: --accept few-media="REASON" --until 2027-03-31
error-rest-without-end = { $id } cannot be put to rest without an end
    .hint = Name the last day, at most a year from now: --accept { $id }="REASON" --until 2027-03-31
error-not-to-rest = { $id } cannot be put to rest
    .cause = something is lost there, or it cannot be told from others
    .hint = Follow the steps that are shown with it; nothing else makes it go away
error-not-without-key = no key pair called { $name } has a key that cannot be backed up
    .hint = See what cannot be backed up: pfxvault list --from iis
error-exception-without-reason = no reason is given for the exception from the rule { $rule }
    .hint = Write the reason after an equals sign: --accept { $rule }="test machine, no real keys"
error-bad-generation = { $text } is neither a generation number nor a date
    .hint = Write a number such as 42 or a date such as 2026-10-31; pfxvault contents --from { -stick } shows them
error-bad-vault-id = { $text } is not the fingerprint of a vault
    .hint = Write it as on the envelope, beginning with SHA256: (letters, digits, + and /, upper and lower case matter)
error-which-server = several servers have backups here, and --server does not say which one of them is meant
    .cause =
        found here (id, name, newest generation, day):
        { $servers }
    .hint = Add the name or id of one of them: --server NAME
error-one-pfx = { $count } key pairs are meant, but one file holds only one: { $path }
    .cause =
        found here (thumbprint, expires, name):
        { $candidates }
    .hint = Name one of them by its thumbprint, or write a folder with one file for each: --to folder:{ -disk }restored

## Errors: key pairs and files

error-source-unreadable = cannot read { $path }
    .cause = { $reason }
    .hint = Check the path, and that you may read it (run as administrator if it belongs to the system)
error-pfx-unreadable = cannot open { $path }
    .again = The password does not open it. Please type it once more.
    .cause = { $reason }
    .hint =
        Check that it is the right file, and run the same command again; type the
        password only when it asks. A script gives it with
        --source-password-file FILE
error-wrong-source-password = no password that was given opens the protected files here
    .cause = { $files }
    .again =
        Please type it once more. Watch Caps Lock, the keyboard layout, and the input
        method (half-width letters).
    .hint =
        Run the same command again; type the password only when it asks. Or give
        it in a file only you can read: --source-password-file FILE
        If each file has its own password: --source-passwords FILE, with a line for
        each, its name and its password with a comma in between
error-pem-malformed = { $path } is not a PEM file, or is damaged
    .hint = It must have lines such as -----BEGIN CERTIFICATE-----; if it is a PFX, write --from pfx:FILE
error-pem-no-certificate = there is no certificate in { $path }
    .hint = Name the file that has the lines -----BEGIN CERTIFICATE-----: --from pem:{ -disk }www.crt
error-pem-no-key = there is no usable private key in { $path }
    .cause = the file has no key in a form that pfxvault knows
    .hint = Name a file with the lines -----BEGIN PRIVATE KEY-----
error-pem-key-unusable = the private key in { $path } cannot be used
    .cause = { $reason }
    .hint = Name the file of another key, or put key and certificate into a PFX first and write --from pfx:FILE
error-password-table = { $path } is not a table of passwords: line { $line }
    .hint =
        Write a line for each file: its name, a comma, its password. A password with a
        comma or quotation mark stands in quotation marks, each of its own written twice:
        www.example.com.pfx,"a ""quoted"", one". Without a name it is for any file.
error-pfx-unproven = the PFX made of { $name } did not open again with the same key and certificate, so it was not used
    .hint = Run the same command again; if it fails again, back up the others by name and report this
error-nothing-to-back-up = there is no key pair here that can be backed up
    .hint = See what is there and why: pfxvault list --from folder:{ -disk }certs
error-nothing-counts = no key pair here counts any more, so there is nothing to restore
    .cause = each of them was renewed, has ended or was retired
    .hint = See why, and what can be taken back: pfxvault contents --from { -stick }
error-nothing-found = there is no key pair here to write
    .hint = See what is there: pfxvault list --from folder:{ -disk }certs, or pfxvault contents --from { -stick }
error-nothing-restorable = none of the key pairs wanted can be read, so nothing was written
    .cause = { $name }: { $reason }
    .hint =
        From a vault, give another stick as well, or an earlier generation: --from { -stick } --from { -second-stick } --generation 41
        From files, see the reasons: pfxvault list --from folder:{ -disk }certs
error-file-exists = { $path } exists already, so nothing was written
    .hint = Choose another place with --to, or replace existing files with --force
error-files-exist = { $count ->
        [one] a file exists already, so nothing was written
       *[other] { $count } files exist already, so nothing was written
    }
    .cause = { $paths }
    .hint = Choose another place with --to, or replace existing files with --force
error-not-a-file = { $count ->
        [one] something that is not a file is in the way
       *[other] { $count } things that are not files are in the way
    }, so nothing was written
    .cause =
        a folder, a link or a device is never replaced, not even with --force:
        { $paths }
    .hint = Choose another place with --to, or move away what is there
error-destination-unwritable = cannot write { $path }, so everything is as it was before
    .cause = { $reason }
    .hint = Choose a place with enough space that you may write to, with --to

## Errors: handling rules

error-rule-no-shared-drive = refused by the handling rule no-shared-drive: { $path }
    .cause = { $place } is { $seen }; others can read what lies there
    .hint = Use a USB stick or a folder on this machine. To do it anyway, give the reason: --accept no-shared-drive="REASON"
error-rule-other-medium = refused by the handling rule other-medium: { $path }
    .cause = { $place } is { $seen }; a backup there is lost together with the server
    .hint = Use a USB stick. To do it anyway, give the reason: --accept other-medium="REASON"

## Errors: media and vaults

error-no-such-medium = there is no stick at { $medium }
    .hint = Insert the stick (on Linux: mount it), and name the drive or folder where it is, such as { -stick }
error-medium = cannot use { $medium }
    .cause = { $reason }
    .hint = Check that the stick is inserted, not full and not write-protected, and try again; if it fails again, use another stick
error-no-medium = no medium was given
    .hint = Name a USB stick: --to { -stick }
error-nothing-committed = nothing was saved; what was on { $medium } before still counts
    .cause = { $reason }
    .hint = Check that the stick is inserted, not full and not write-protected, and run the same backup again; if it fails again, use another stick
error-no-vault = there is no vault on { $medium }
    .cause = the folder PFXVAULT is not there, or nothing in it can be used
    .hint = Insert another stick of the vault; to make a new vault: pfxvault create { -stick }
error-no-statement = nothing on { $medium } that the owner signed says which vault it is
    .cause =
        the list of servers and ways to open the vault, in PFXVAULT/A/OWNER and PFXVAULT/B/OWNER, is damaged or missing;
        { $count ->
            [one] 1 generation of a backup is there and was
           *[other] { $count } generations of backups are there and were
        } not changed
    .hint =
        Keep this stick, and bring the list back from another one of the vault: pfxvault copy --from { -second-stick } --to { $medium }
        A server that writes to this vault remembers the list: its next backup to this stick writes it again
join-same-name =
    attention: a server of this name is in the vault already: { $server }. The two can be told apart by their ids alone.
    If that is this server, installed anew, retire the old one afterwards: pfxvault servers retire ID --to { -stick }
    Else give this one a name of its own: pfxvault servers join { -stick } --server-name NAME
join-same-question = Enrol this server under the same name?
create-interrupted =
    Making the vault was interrupted before; it is finished now, with the passphrase and the recovery key of that time. No other recovery key is made.
    If that recovery key is not at hand, make another one afterwards: pfxvault access add recovery-key --to { -stick }
error-vault-begun = the vault on { $medium } was begun but never finished
    .cause = the folder PFXVAULT there holds no key pair and nothing that the owner signed, so nothing in it counts
    .hint =
        Run the command that was interrupted again (pfxvault create, copy or media add); it finishes the vault
        If that says the same, something else lies in PFXVAULT on { $medium }: save it elsewhere, delete the folder, then run the command again
error-vault-there = there is a folder PFXVAULT on { $medium } already, and it is never overwritten
    .hint =
        Choose what you want to do:
        Save to this vault: pfxvault backup --from { -source } --to { $medium }
        Enrol this server in it: pfxvault servers join { $medium }
        Make a new vault, or add one more medium: use a stick without the folder PFXVAULT
error-vault-empty = the vault on { $medium } holds no backup yet
    .hint = Try another stick, or make a backup: pfxvault backup --from { -source } --to { $medium }
error-none-admitted = nothing on { $medium } can be restored: it holds { $count ->
        [one] 1 generation of a server
       *[other] { $count } generations of servers
    } that the list of servers here does not admit
    .cause = the part of the list that admits their servers is damaged or missing on the media given, or somebody else put them there; what nobody vouches for is not restored
    .hint =
        Keep this stick; another one of the vault may hold the whole list, so give both: --from { $medium } --from { -second-stick }
        What is damaged: pfxvault verify { $medium }
        A server that writes to this vault remembers the list: its next backup to this stick writes it again
error-name-not-admitted = of what the list of servers here admits, nothing is called { $name }; left out { $count ->
        [one] is 1 generation of a server
       *[other] are { $count } generations of servers
    } that the list does not admit
    .cause = what is called so may be in there: the part of the list that admits their servers is damaged or missing on the media given, or somebody else put them there; what nobody vouches for is not restored
    .hint =
        Keep this stick; another one of the vault may hold the whole list, so give both: --from { $medium } --from { -second-stick }
        What is damaged: pfxvault verify { $medium }
        What can be restored without it: pfxvault contents --from { $medium }
error-not-our-vault = { $medium } belongs to another vault than the one this command is for
    .cause = the fingerprint on it is { $vault }, that of the vault here is { $ours }
    .hint = Insert the right stick; nothing on this one was changed. To look at this one: pfxvault contents --from { $medium } --state NEWFOLDER
error-two-owners = { $medium } and the other media given belong to different vaults, or something foreign is on one of them
    .hint =
        Check each stick on its own: pfxvault verify { $medium }
        If one stick alone says this, tell pfxvault which vault it must be: pfxvault verify { $medium } --vault SHA256:...
error-no-way-in = the vault on { $medium } cannot be opened: a passphrase or recovery key stored on it is damaged or missing
    .hint =
        Try another stick of the same vault, or the other way in: leave out or add --recovery-key
        If the server still runs, make a backup to a new stick now: pfxvault backup --to { -second-stick }
error-no-generation = no generation of server { $server } that was asked for can be used
    .cause = it is not on the media given, or it is damaged there
    .hint = Give other sticks as well, or choose another generation: pfxvault contents --from { -stick } --from { -second-stick }

## Errors: this server

error-not-enrolled = this server does not write to any vault yet
    .hint =
        A new vault: pfxvault create { -stick }
        One that is there already: pfxvault servers join { -stick }
error-not-enrolled-here = there is a vault on { $medium }, but this server may not write to it yet
    .hint = Enrol this server (the passphrase is asked for): pfxvault servers join { $medium }
error-already-enrolled = this server writes to a vault already: { $vault }
    .cause = what it remembers is in { $folder }
    .hint =
        One more stick for this vault: pfxvault media add { -stick }
        A new vault in the place of that one: pfxvault create { -stick } --replace
        Another vault that is there already: pfxvault servers join { -stick } --replace
        A second vault beside that one: add another folder to the command, for example --state { -disk }pfxvault-second
error-server-closed = this server ({ $server }) may no longer write to the vault
    .cause = the owner of the vault has ended its right to write
    .hint = Ask the owner; to enrol it anew (the passphrase is asked for): pfxvault servers join { -stick } --state { -disk }pfxvault-new
error-no-recipients = this server does not know any key that could open a new backup, so it makes none
    .cause = the list of ways to open the vault is not complete here
    .hint = Insert another stick of the vault and back up to that one; pfxvault access list { -stick } shows the ways on a stick
error-no-state-folder = there is no folder for what this server remembers
    .hint = Name one that only you and administrators can write to: --state { -disk }pfxvault-state
error-state-busy = another pfxvault is running on this server
    .cause = it uses { $folder }
    .hint = Wait until it has ended, then run the same command again
error-state-shared = what this server remembers is not safe: others own { $folder } or can write to it
    .hint =
        Let only administrators write to it, then run the same command again
        Windows: icacls "{ $folder }" /inheritance:r /grant:r *S-1-5-32-544:(OI)(CI)F *S-1-5-18:(OI)(CI)F
        Linux: chmod 700 "{ $folder }"
error-state-file-shared = what this server remembers is not safe: others own { $path }, can write to it, or can read the key in it
    .hint =
        Find out who could change or read it; if somebody did, enrol this server anew: pfxvault servers join { -stick } --state { -disk }pfxvault-new
        Otherwise let only administrators own, read and write it, and run the same command again
        Windows: takeown /A /F "{ $path }"
        Linux: chown root "{ $path }" and chmod 600 "{ $path }"
error-state-other-machine = what this server remembers in { $folder } was made on another machine
    .cause = the signing key is bound to the machine it was made on; this one is a copy of that machine, or was rolled back to an image of it
    .hint = If this is a new server, enrol it as one, with a new folder: pfxvault servers join { -stick } --state { -disk }pfxvault-new (the backups made so far are not affected)
error-state-newer = what this server remembers was written by a newer pfxvault: { $folder }
    .cause = this version would lose what the newer one has added to it
    .hint = Use that newer version here. A restore works without it: pfxvault restore --from { -stick }
error-label-taken = another USB stick is called "{ $label }" already
    .hint = Give this one another label: --label { $free }
journal-unknown = the journal of changes has lines that this version does not understand ({ $path }, line { $lines }): what they belong to cannot be taken back
error-state-damaged = what this server remembers is damaged: { $folder }
    .cause = { $cause }
    .hint =
        The vault itself is not affected
        Rename that folder, then enrol this server anew (the passphrase is asked for): pfxvault servers join { -stick }
error-state-unreadable = cannot read what this server remembers: { $folder }
    .cause = { $reason }
    .hint = Run the command as the same user as before, as administrator
error-state-unwritable = cannot write what this server remembers: { $folder }
    .cause = { $reason }
    .hint = Run the command as administrator, check the space on that disk, or name another folder: --state { -disk }pfxvault-state
error-no-number-left = this server has used up its generation numbers
    .hint = Enrol it anew with another folder: pfxvault servers join { -stick } --state { -disk }pfxvault-new
error-signing = signing did not work, so nothing counts that this run would have written
    .hint = Run the same command again; if it fails again, report it together with the output of pfxvault --version
error-no-random = the system gave no random numbers, without which no key can be made
    .hint = Restart this machine and run the same command again

## Demonstration

demo-intro =
    This demonstration plays a backup and a restore with throw-away key pairs. Nothing else on this machine is touched.
    Its files are in { $place } and are deleted at the end.
demo-ca =
    A small certificate authority and { $count ->
        [one] 1 key pair
       *[other] { $count } key pairs
    } are made for this demonstration.
demo-server =
    The web server has { $count ->
        [one] 1 PFX file
       *[other] { $count } PFX files
    } in { $folder }.
demo-create = A new vault is made on the first stick, { $medium }. From now on the server can save to it, but not open it.
demo-passphrase = Ten words are generated as the passphrase, and a recovery key for the envelope.
demo-second-medium = A second stick joins the vault; one stick alone is not a backup.
demo-backup =
    { $saved ->
        [one] 1 key pair is
       *[other] { $saved } key pairs are
    } saved as generation { $number } on { $count ->
        [one] 1 stick
       *[other] { $count } sticks
    } and read back. Nobody had to type the passphrase.
demo-damage =
    One byte of { $path } is changed, as a failing stick would do.
    This is what pfxvault verify says about it:
demo-forged =
    A stranger, without the key of an enrolled server, writes a generation of their own to the other stick.
    This is what pfxvault verify says about it:
demo-forgotten = Now the server is gone, and the passphrase is forgotten.
demo-recovery =
    The recovery key from the envelope opens the vault: { $count ->
        [one] 1 backup
       *[other] { $count } backups
    } can be read.
demo-restore =
    { $count ->
        [one] 1 key pair is
       *[other] { $count } key pairs are
    } restored to the folder of the new server, { $folder }.
demo-handshake = { $name }: the restored key pair serves a TLS connection ({ $version }).
demo-clean = Everything made for this demonstration is deleted again.
demo-done =
    done in { $seconds ->
        [one] 1 second
       *[other] { $seconds } seconds
    }: saved, damaged, noticed, and restored with the recovery key alone
demo-for-real =
    What to type for real ({ -stick } is your stick, { -disk }certs the folder with your PFX files):
      pfxvault list --from folder:{ -disk }certs
          what is there
      pfxvault backup --from folder:{ -disk }certs --to { -stick }
          saves it; makes the vault the first time
      pfxvault verify { -stick }
          checks the stick
      pfxvault drill --from { -stick }
          rehearses a restore
      pfxvault restore --from { -stick } --to folder:{ -disk }restored
          restores
error-demo = the demonstration stopped at this step: { $step }
    .cause = this should never happen; your own key pairs and sticks are not affected
    .hint = Run pfxvault demo again; if it fails again, report it together with the output of pfxvault --version
error-demo-folder = cannot use the folder for the demonstration: { $folder }
    .cause = { $reason }
    .hint = Free some space on that disk, or check that you may write there, then run pfxvault demo again

## The certificate stores of a Windows server

list-iis-headline =
    This server holds { $count ->
        [one] one certificate
       *[other] { $count } certificates
    } for its sites; { $ready } can be backed up with the private key.
list-hindrance = attention: cannot be backed up: { $name }: { $reason }
column-store = store
cell-archived = { $store } (archived)
cell-key-exportable = exportable
cell-key-not-exportable = not exportable
cell-key-unknown = ?
cell-key-none = no key
key-unknown = only an administrator can see whether its private key is here; run the command as administrator
key-no-link = the certificate is here, but Windows does not know its private key. IIS Manager does not list it. Run pfxvault repair, or restore it from a backup
key-user-profile = its private key is in the profile of one user, where IIS cannot reach it. Run pfxvault repair as that user
key-missing = its private key is gone from this server. Restore it from a backup, or have the certificate re-issued
key-other = Windows has it linked to the private key of another certificate. Run pfxvault repair, or restore it from a backup
no-export-marked = Windows marks its private key as not exportable. Have the certificate re-issued with an exportable key, or restore it from an earlier backup
no-export-tpm = its private key is in the TPM of this server and cannot leave it. Plan a re-issue for the next server
no-export-smart-card = its private key is on a smart card and cannot leave it. Take the card along
no-export-hsm = its private key is in a hardware security module and cannot leave it. Use the backup of its vendor
no-export-isolated = its private key is isolated by Windows (virtualization-based security) and cannot leave this server. Plan a re-issue for the next server
no-export-unknown-form = its provider hands out its private key in a form that is not known here. Back it up with the tools of the provider's vendor
windows-refused = Windows refuses ({ $call }, { $object }, { $code }): { $meaning }
windows-not-found = it is not there
windows-denied = access is denied
windows-no-key = there is no such private key, or this account may not see it
windows-key-exists = a private key of that name is there already
windows-no-provider = this server does not have that key provider
windows-wants-a-person = the private key asks a person for permission at each use
windows-not-supported = the key provider cannot do this
windows-no-certificate = the certificate is not there
windows-certificate-exists = the certificate is there already
windows-invalid-password = Windows says that the password is wrong, which it also says of an encryption that it does not know
windows-invalid-parameter = this version of Windows does not accept a value of it
windows-exists = there is one already; another program may have made it just now
windows-certificate-not-usable = the certificate is not in that store of this machine, or its private key cannot be used
windows-in-use = another program has the file open or has just changed it, such as an antivirus or IIS Manager
windows-no-iis = IIS is not installed on this server
windows-other = search for this code together with the name of the function
cannot-not-elevated = only an administrator can see this; run the command as administrator
cannot-key-type = IIS cannot use keys of this kind
plan-as-it-should-be = already here, and its key works: { $name }
plan-cannot = attention: not possible: { $name }: { $reason }
plan-import = import: { $name } -> store { $store }, with a new private key ({ $provider })
plan-mend = mend: { $name } in store { $store } is without its private key and gets it ({ $provider })
plan-link = mend: { $name } in store { $store } is linked to its private key on this server ({ $container })
plan-access = . may use the key, as before: { $who }
plan-access-left-out = . could use the key before, and will not: { $who }
plan-ends = . thumbprint { $thumbprint }, ends { $day }
plan-expired = . thumbprint { $thumbprint }, expired on { $day }
plan-authority = add an authority: { $name } -> store { $store }
root-fetched = note: the chain ends in { $name } (SHA-1 { $sha1 }, SHA-256 { $sha256 }). It is a public root, which Windows trusts by itself: nothing needs to be done
root-left-out = attention: this server does not trust the root certificate { $name } (SHA-1 { $sha1 }, SHA-256 { $sha256 }), nor is it a public one that Windows fetches. It is not installed; IIS serves without it
root-untold = attention: the root certificate { $name } (SHA-1 { $sha1 }, SHA-256 { $sha256 }) is not in the store of this server. Whether it is a public one, which Windows fetches by itself, cannot be told here. It is not installed; IIS serves without it
root-install-hint = . if this server itself shall trust it (compare the numbers with those of its authority first), run the restore with --install-root { $sha256 }
restore-iis-question = Change this server?
restore-iis-done = done: { $count ->
        [one] one key pair is
       *[other] { $count } key pairs are
    } in the certificate store; a test signature showed for each that private key and certificate belong together
restore-iis-exportable = The keys are exportable, so that the next backup works.
restore-iis-not-exportable = The keys are not exportable: no backup of this server will have them.
progress-importing = importing { $name }
left-certificate-changed = attention: left as it is, because it was changed since: { $name } in store { $store }
left-key-in-use = attention: the private key { $container } was left, because { $name } uses it
repair-interrupted = The { $what } of { $when } was interrupted. What it had begun will be taken back.
repair-interrupted-question = Take it back?
repair-taken-back = done: it is taken back. Run it again when you are ready
repair-question = Mend these?
repair-done = mended: { $mended }; must be restored from a backup, or re-issued: { $cannot }
repair-nothing = Nothing needs to be mended.
repair-orphan-saved = private key that no certificate on this server needs, left behind by an earlier run: { $container }. It is that of { $name } ({ $thumbprint }), and generation { $number } of { $day } holds it
repair-orphan-unsaved = private key that no certificate on this server needs, left behind by an earlier run: { $container }. No backup that this server remembers holds it: once deleted, it is lost
repair-unlisted = attention: Windows does not list the private keys of this machine, so those that no certificate names were not looked at. A damaged file in C:\ProgramData\Microsoft\Crypto may be the cause: { $reason }
repair-closed = attention: the private key { $container } does not open, so nobody can tell whose it is. It stays: { $reason }
repair-orphans-hint = To delete such keys for good: pfxvault repair --orphans
repair-orphans-question = Delete { $count ->
        [one] this private key
       *[other] these { $count } private keys
    } for good? This cannot be undone.
repair-orphans-deleted = done: deleted { $count ->
        [one] 1 private key
       *[other] { $count } private keys
    }
repair-expired = no longer valid: { $name } ({ $thumbprint })
repair-replaced = a newer certificate for the same names is here: { $name } ({ $thumbprint })
undo-plan = The { $what } of { $when } will be taken back. Private keys that it created: { $keys }.
undo-question = Take it back?
undo-done = done: it is taken back
selftest-passed = passed: { $name }
selftest-failed = attention: failed: { $name }: { $reason }
selftest-key = { $name }
selftest-step = { $step ->
        [site] IIS: a site added
        [restore] a key pair imported, with its record of HTTP.sys and its binding
        [export] its key exported from the store
        [tls] its certificate served over { $version }
        [undo] all of that undone
        [site-gone] the site removed
       *[as-before] certificates, keys, records and sites as they were before
    }
selftest-other = another certificate is served
selftest-unsteady = some of the connections fail
selftest-not-as-before = something is here that was not here before, or the other way round
selftest-full-plan =
    On this server, for a minute: a site pfxvault-selftest on 127.0.0.1 (ports { $http } and { $https }), with a throw-away certificate and its key,
    a record of HTTP.sys and a binding. Then all of it is removed again, also where something fails. Nothing else is changed.
    IIS first backs up its configuration. That backup stays: { $backup }
selftest-full-question = Begin?
selftest-page =

    ----- pfxvault selftest --full: for an issue, from here -----
    pfxvault { $version }, Windows build { $build }
    { $lines }
    ----- to here; no name, address or secret of this server is in it -----
error-selftest-no-iis = IIS is not installed on this server
    .hint = Without IIS, try the keys alone: pfxvault selftest
error-selftest-shared = this server's IIS configuration is shared with other servers
    .cause = a site made here would be a site of all of them
    .hint = Use a server of its own, or try the keys alone: pfxvault selftest
error-no-port = no free port on 127.0.0.1
    .cause = { $reason }
selftest-wrong = the key that came back is not the key that went in
reason-key-does-not-sign = the private key does not belong to the certificate (shown by a test signature)
error-http-sys = HTTP.sys, which serves TLS for IIS, did not accept the change
    .cause = { $reason }
    .hint = What it has now: netsh http show sslcert
error-iis = IIS did not accept the change
    .cause = { $reason }
    .hint = Close IIS Manager and whatever else changes IIS, check that the disk is not full, and run the command again
change-taken-back = The change failed and was taken back: stores, private keys and bindings are as they were before
error-windows = the certificate store cannot be used
    .cause = { $reason }
    .hint = Run the command again as administrator
error-no-iis = iis is only known on a Windows server
    .hint = Use folder:DIR, pfx:FILE or pem:CERT here
error-not-elevated = this changes the server, so it must be run as administrator
    .hint = Open the command prompt with "Run as administrator" and run the command again
error-bad-root = not a SHA-256 fingerprint: { $text }
    .hint = Copy the 64 digits that the plan shows
error-journal = the journal of changes cannot be written: { $path }
    .cause = { $reason }
    .hint = Nothing was changed. Check the disk and the rights on this folder
error-journal-busy = another pfxvault is changing this server: { $path }
    .hint = Wait until it has finished
error-journal-damaged = the journal of changes is damaged: { $path }
    .hint = Nothing was changed. Move the file away to go on; what came before can then no longer be undone
error-run-interrupted = the { $what } of { $when } was interrupted and must be taken back first
    .hint = Take it back with: pfxvault repair
error-nothing-to-undo = there is nothing to take back
error-not-taken-back = not everything could be taken back
    .cause = { $reason }
    .hint = Run pfxvault repair to go on
error-half-done = the change failed, and not everything could be taken back
    .cause = { $failed }; { $left }
    .hint = Run pfxvault repair to go on
error-stopped = stopped; nothing was changed
error-key-unproven = { $name } was not imported; nothing was changed
    .cause = { $reason }
    .hint = Run pfxvault selftest to see what this server can do
error-interrupts = Ctrl-C cannot be watched
    .cause = { $reason }
help-restore-non-exportable = Mark the keys on this server as not exportable (no backup will have them)
help-restore-install-root = Trust this root certificate from now on, by its SHA-256
help-repair = Mend key pairs of this server, and take back what was interrupted.
help-repair-orphans = Delete private keys that an earlier run left behind and that no certificate or request on this server needs
help-undo = Take back the last restore, install, request or repair of this server.
help-retire = Never restore a key pair of this server again, from any backup: its key leaked, its certificate was revoked, or it is gone.
help-retire-names = Names or thumbprints of the key pairs
help-retire-reason = Why: leaked (others may have the key; holds for every certificate with it), revoked, removed (not used any more), lost (no stick has it)
help-retire-undo = Take the retirement back: the key pairs count again
help-retire-server = Id or name of another server of the vault, one that is gone; asks for the passphrase
help-retire-to = USB sticks of the vault that this is written on, such as { -stick }; may be given several times
retire-owner-done = { $count ->
    [one] done: 1 key pair is not restored any more
   *[other] done: { $count } key pairs are not restored any more
}. It is written on the sticks given. Bring the others up to date, one after the other: pfxvault copy --from { -stick } --to { -second-stick }
retire-owner-undone = { $count ->
    [one] done: 1 key pair counts again
   *[other] done: { $count } key pairs count again
}. It is written on the sticks given. Bring the others up to date, one after the other: pfxvault copy --from { -stick } --to { -second-stick }
retire-pair-plan = { $name } ({ $thumbprint }, ends { $end })
retire-pair-question = Never restore these again ({ $reason })?
retire-pair-undo-question = Let these count again?
retire-pair-done = { $count ->
    [one] done: 1 key pair is not restored any more
   *[other] done: { $count } key pairs are not restored any more
}. Each stick learns it with the next backup: pfxvault backup --to { -stick }
retire-pair-undone = { $count ->
    [one] done: 1 key pair counts again
   *[other] done: { $count } key pairs count again
}. Each stick learns it with the next backup: pfxvault backup --to { -stick }
help-selftest = Test, with throw-away keys, whether private keys go into this server and come out of it.
help-selftest-full = On a server with IIS: also a restore with binding, TLS and undo, in a site of its own that is removed again
help-selftest-yes = Begin without a question

## The system's event log
event-key-exported = private key copied out of the certificate store: { $name } ({ $thumbprint })
event-key-imported = private key put into the certificate store: { $name } ({ $thumbprint })
event-key-deleted = private key deleted: { $container } (certificate { $thumbprint })
event-rule-set-aside = exception from the handling rule { $rule }: { $reason }
event-not-written = could not write to the Windows event log: { $reason }

## Status
column-kept-at = kept at
column-cold = checked after unplugging
cell-lost = lost
cell-retired = out of use
status-newest = Newest backup: generation { $number } of { $day }. { $count ->
    [one] One key pair
   *[other] { $count } key pairs
} in all generations together.
status-good = Everything is well: nothing is overdue or at risk.
status-at-rest = Nothing else needs attention. Put to rest: { $count }.
status-attention = { $count ->
    [one] One point needs attention:
   *[other] { $count } points need attention:
}
finding-at-rest =
    put to rest by { $by } until { $until } ({ $reason }):
    { $finding }
finding-how-to-rest =
    To put a point to rest that you have looked at, add:
      --accept ID="REASON" --until DATE
    The ids here: { $ids }
status-not-enrolled = nothing of this server is backed up yet: plug in a USB stick and run pfxvault backup --from { -source } --to { -stick }
status-no-backup = there is no backup on any USB stick yet: pfxvault backup --from { -source } --to { -stick }
status-backup-old =
    the newest backup (generation { $number }) is { $age ->
        [ahead] dated later than the clock here says
       *[other] { $age } days old
    }
status-counts-older = { $count ->
    [one] 1 key pair is in an earlier backup and not in the newest (generation { $number }), and is restored as well
   *[other] { $count } key pairs are in earlier backups and not in the newest (generation { $number }), and are restored as well
}: { $names }
status-ends-soon = { $count ->
    [one] 1 key pair of the backup ends within 30 days
   *[other] { $count } key pairs of the backup end within 30 days
}: { $names }
status-copies-ended = on the USB stick { $label } every copy of { $count ->
    [one] 1 key pair
   *[other] { $count } key pairs
} has expired ({ $names }). If renewed: pfxvault backup --to "label:{ $label }". If no longer needed: pfxvault retire NAME --reason removed
status-renewed-since = { $count } of { $total } key pairs on the USB stick { $label } have been renewed since ({ $names }). The next backup to it brings the new ones
status-on-no-medium = { $count ->
    [one] 1 key pair of the backup is
   *[other] { $count } key pairs of the backup are
} on no USB stick in use any more ({ $names }). Back up again what is still used: pfxvault backup --to { -stick }
status-found-bad =
    on USB stick "{ $label }" something was found damaged { $age ->
        [ahead] later than the clock here says
        [0] today
        [one] 1 day ago
       *[other] { $age } days ago
    }, and no check since has found all of it right. Mend it from another stick (pfxvault copy --from { -second-stick } --to { -stick }) or replace it, then pfxvault verify { -stick }
status-retirement-unknown = USB stick "{ $label }" does not know yet what was retired. Until the next backup to it, another computer may restore it from there: pfxvault backup --to "label:{ $label }"
status-owners-word-unread = the owner of the vault retired key pairs of this server, and only the passphrase shows which. Open the vault here once: pfxvault drill --from { -stick }
status-retired-here = { $name } was retired ({ $reason }) and is still on this server: a backup saves it, but a restore does not bring it. Remove it here, or take that back: pfxvault retire { $name } --undo
status-few-media = { $count ->
    [one] 1 key pair is
   *[other] { $count } key pairs are
} only on { $media }, and should be on { $wanted } USB sticks ({ $names }): pfxvault copy --from "label:{ $first }" --to { -stick }
status-rule-set-aside = exception from the handling rule { $rule } for the newest backup: { $reason }
status-check-due =
    USB stick { $label } was last checked { $age ->
        [ahead] later than the clock here says
       *[other] { $age } days ago
    }: plug it in and run pfxvault verify { -stick }
status-never-checked = USB stick { $label } has never been checked after it was unplugged: plug it in and run pfxvault verify { -stick }
status-medium-old = USB stick { $label } has been in use for more than { $months } months. Replace it: pfxvault copy --from "label:{ $label }" --to { -second-stick }, then pfxvault media retire "{ $label }"
status-never-drilled = no restore was ever rehearsed, so nobody knows that the passphrase still opens the backup: pfxvault drill --from { -stick }
status-drill-due =
    the last rehearsed restore was { $age ->
        [ahead] later than the clock here says
       *[other] { $age } days ago
    }: pfxvault drill --from { -stick }
status-expired = no longer valid: { $name } ({ $thumbprint })
status-expires-soon = { $name } ends in { $left ->
    [0] less than a day
    [one] one day
   *[other] { $left } days
}
status-no-key = cannot be backed up: { $name }: { $reason }
status-no-key-known = not backed up, by an exception ({ $why }): { $name }
status-not-on-a-medium = on no USB stick yet: { $name }. If this server fails, this key pair is lost: pfxvault backup --to { -stick }
status-on-the-way = generation { $number } was sealed into a parcel { $age ->
    [ahead] later than the clock here says
   *[other] { $age } days ago
} and is on no USB stick yet: pfxvault copy --from parcel:FILE --to { -stick }, or plug a stick in here: pfxvault backup --to { -stick }
status-remains-saved = still on this server: the private key of { $name } ({ $thumbprint }); it is also on: { $media }
status-remains-unsaved = still on this server: the private key of { $name } ({ $thumbprint }), which is on no USB stick: back it up first (pfxvault backup --to { -stick })
status-remains-unsavable = still on this server: the private key of { $name } ({ $thumbprint }), which is on no USB stick and cannot be backed up: { $reason }
status-remains-what =
    Before this server is given away, no private key may be left on it. Once the new server serves a certificate (there: pfxvault status --tls)
    and the USB sticks were checked (pfxvault verify { -stick }), delete it here, in PowerShell as administrator, with its thumbprint:
    Get-ChildItem Cert:\LocalMachine -Recurse | Where-Object Thumbprint -eq "THUMBPRINT" | Remove-Item -DeleteKey
    (certlm.msc deletes the certificate only and leaves the private key.) Then wipe or destroy the disks: deleted keys can be read again.
status-orphans = private keys that no certificate on this server needs were left behind: { $count }; pfxvault repair shows them
status-interrupted = the run "{ $what }" of { $when } was interrupted. To take it back: pfxvault repair
event-needs-attention = pfxvault status: points that need attention: { $count }
media-retire-holds = Key pairs of this server that are on USB stick { $label }: { $count }
media-retire-name = { "  " }{ $name }
media-retire-lost =
    They are encrypted: whoever has the stick needs the passphrase or the recovery key.
    Was one of them with the stick, or could someone guess the passphrase? Then let the certificates be re-issued with
    new keys and have the old ones revoked. If neither is so, nothing more needs to be done.
media-retire-kept =
    They are encrypted. Keep the stick in the safe, or destroy it: deleted files can be read again from USB sticks.
media-retire-question = Take USB stick { $label } out of use?
media-retired = done: USB stick { $label } is out of use; { $left ->
    [one] one stick is
   *[other] { $left } sticks are
} left
media-taken-back = done: USB stick { $label } is in use again; { $in_use ->
    [one] one stick is
   *[other] { $in_use } sticks are
} in use
media-was-lost = nobody knew who had USB stick { $label }: look at what is on it before you rely on it: pfxvault verify "label:{ $label }"
error-out-of-use = { $medium } is USB stick { $label }, which was taken out of use; to use it again: pfxvault media retire "{ $label }" --undo
media-policy = The newest backup should be on { $min_media } USB sticks; each is checked every { $verify_every } months and replaced after { $rewrite_after } months.
error-no-such-label = no USB stick of this vault has the label { $label }
    .hint = Look at the labels: pfxvault media list
error-two-labels = several USB sticks have the label { $label }
    .hint = Plug each of them in and give them labels of their own in PFXVAULT\MEDIUM.TXT

## Help: status and media
help-status = Say what is safe, overdue or at risk: one screen for people, an exit code for monitoring; nothing is changed.
help-status-media = USB sticks to look at, too, such as { -stick }
help-status-handing-back = List the private keys that remain here and should go before this server is given away
help-status-tls = Ask over TLS which certificates are shown: every binding of this server on this machine, or the hosts named
help-status-from = What this server holds: iis, folder:DIR; on a Windows server it is iis
help-status-source-password-file = File with the password of the PFX files in its first line
help-status-source-passwords = File with a password for each file: lines of name,password (CSV; without a name: for any)
help-media-add-place = Where it is kept, such as "safe in the head office"
help-media-retire = Take a USB stick out of use: say which key pairs are on it and what that means.
help-media-retire-label = Its label, as pfxvault media list shows it
help-media-retire-lost = Nobody knows who has it
help-media-retire-undo = It was found again, or is to be used again after all
help-media-policy = Show or change when a check, another stick or a new stick is due.
help-media-policy-min-media = Sticks that should hold the newest backup
help-media-policy-verify-every = Months after which a stick must be checked again
help-media-policy-rewrite-after = Months after which a stick should be replaced by a new one

## The configuration of IIS

error-iis-config = the configuration of IIS cannot be read: { $path }
    .cause = { $reason }
    .hint = Check the path, and run the command again as administrator
config-no-text = it is neither UTF-8 nor UTF-16 text
config-no-xml = line { $line } is no XML that IIS would read
config-absurd = it is built in a way that no configuration of IIS is
config-other = it is another file: its outermost element is not "{ $element }"
config-missing = line { $line }: "{ $element }" has no "{ $attribute }"
config-bad-value = line { $line }: "{ $attribute }" cannot be "{ $value }"

## Sites and bindings

restore-shared-backup = The configuration that other servers share is kept as it was before: { $path }
error-shared-not-copied = the configuration that other servers share could not be copied first: { $path }
    .cause = { $reason }
    .hint = Nothing was changed. IIS's own backup leaves this file out, so pfxvault copies it into the same folder: run the command as a user who may write there, or run it on the server that the folder belongs to
restore-iis-backup = IIS keeps its configuration as it is now: { $name } (appcmd restore backup { $name })
progress-binding = binding { $what }
left-binding-changed = attention: left as it is, because it was changed since: { $what }
error-not-kept = Windows did not keep a binding as it was written: { $what }
    .cause = reading it back shows something else
    .hint = It is taken back; look at it in IIS Manager, then run the command again
error-bad-mapping = not an answer of the form OLD=NEW: { $text }
    .hint = In a file for --map, a line is site OLD=NEW or ip OLD=NEW; leave out what comes after = to leave OLD out
cannot-no-certificate = no certificate was assigned to it on the old server
cannot-left-out = left out, as was answered
cannot-no-site = there is no site of that name or host name here. Create it in IIS Manager, or name another one with --map-site
cannot-which-site = it may be any of these sites here: { $sites }. Choose one with --map-site
cannot-unknown-binding = it is written in a way that only IIS understands
cannot-wildcard = host names such as *.example.com need Windows Server 2016 or later; make a binding for each name here
cannot-old-windows = this Windows does not know certificates chosen by host name
cannot-no-address = this server does not have the address { $ip }. Name another one with --map-ip
cannot-central-store = the Central Certificate Store is not set up here. Set it up in IIS Manager first
cannot-certificate-missing = its certificate is not here: { $name }
cannot-no-ftp = the site has no FTP binding here
conflict-other-site = the site "{ $site }" has the same binding here
conflict-two-certificates = another binding of the backup wants another certificate at { $endpoint }
conflict-other-owner = { $endpoint } belongs to another program ({ $owner })
bind-keep = already bound: { $site }: { $binding }: { $certificate }
bind-add = bind: { $site }: { $binding }: { $certificate }
bind-replace = bind: { $site }: { $binding }: { $certificate } (replaces { $replaces })
bind-lower = attention: bind: { $site }: { $binding }: { $lower }: { $certificate } (replaces { $replaces }, which you named)
bind-held = attention: left as it is: { $site }: { $binding } serves { $serves }. What would replace it is { $lower }: { $certificate }. To replace it all the same: --replace-newer { $name }
certificate-ends = { $name } ({ $thumbprint }, ends { $day })
certificate-expired = { $name } ({ $thumbprint }, expired on { $day })
certificate-unknown = { $name }
lower-expired = EXPIRED
lower-not-yet-valid = NOT YET VALID
lower-self-issued = SELF-SIGNED
lower-other-names = FOR OTHER NAMES
lower-older = OLDER
replace-newer-question =
    This server serves { $serves }. What would replace it is less suitable:
    { $lines }
    Replace it all the same?
replace-newer-line = { $site }: { $binding }: { $lower }: { $certificate }
bindings-held = attention: { $count ->
        [one] 1 binding keeps
       *[other] { $count } bindings keep
    } the certificate that is served there, because what would replace it is less suitable (the lines above say why). To replace it all the same, run the command again with { $options }
help-replace-newer = Replace this certificate also by one that is older, expired or for other names; may be given several times
error-replaces-nothing = no certificate of this server is called { $name }
    .cause = --replace-newer names a certificate that is here and may be replaced by an older one
    .hint = See what is here, and use a name or thumbprint from it: pfxvault list --from iis
bind-cannot = attention: not possible: { $site }: { $binding }: { $reason }
bind-conflict = attention: left as it is: { $site }: { $binding }: { $reason }
bind-address = . other address: { $from } -> { $to }
bind-flag-left-out = . attention: this Windows does not know this setting, which is left out: { $flag }
bind-flag-untold = . note: it is not documented whether this Windows knows the setting { $flag }. It is written as it was; if HTTP.sys refuses it, you are told at the end
record-flag-refused =
    attention: HTTP.sys refused a setting of { $endpoint } ({ $flag }), so the record was made without it: { $flag ->
        [disablehttp2] HTTP/2 is on here
        [disablequic] HTTP/3 is not switched off here
        [disabletls13] TLS 1.3 is not switched off here
        [disabletls12] TLS 1.2 is not switched off here
        [disablelegacytls] TLS 1.0 and 1.1 are not switched off here
        [disableocspstapling] OCSP stapling is on here
        [disablesessionid] sessions are resumed by their ids here
        [enablesessionticket] session tickets are off here
        [enabletokenbinding] token binding is off here
        [logextendedevents] extended events are not logged here
       *[other] what it did is not documented
    }
record-kept-otherwise = attention: HTTP.sys keeps { $endpoint } with the right certificate, but not with every setting that was written (flags written, kept: { $flags }). To look at it: netsh http show sslcert
bind-property-left-out = . attention: this setting of HTTP.sys is not restored. To set it afterwards: { $command }
bind-other-store = . the certificate is taken from the store { $store }
bind-central-store = . its certificate comes from the Central Certificate Store set up here: { $folder }
backup-unused =
    not included, because no site uses { $count ->
        [one] it
       *[other] them
    }: { $names } (to save everything: --all; or name them)
backup-without-sites = attention: sites and bindings were not saved: { $reason }
help-backup-all = Save every key pair of this server, also those that no site uses
help-iis-config = Take sites and bindings from this copy of applicationHost.config, such as from the disk of a dead server
tls-right = ok: { $name } serves its certificate ({ $version }, { $count ->
        [one] 1 certificate sent
       *[other] { $count } certificates sent
    })
tls-missing = attention: { $name } does not send the certificate of the authority "{ $authority }"; clients elsewhere may refuse it
tls-other = attention: { $name } still serves another certificate: { $served } ({ $thumbprint })
tls-nothing = attention: { $name } does not answer with TLS: { $reason }
tls-unasked = attention: { $name } speaks TLS, but no version or cipher suite of it could be agreed on from here, so that its certificate was not seen. Look at it in a browser
tls-unproven = note: { $name } was asked in a way that shows its certificate but not that it has the private key
tls-old-version = attention: { $name } speaks { $version } and nothing newer, which browsers refuse. Switch TLS 1.2 on in Windows, or see why it is off: registry, SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols
tls-unsteady = attention: { $name } serves its certificate, but { $failed } of { $tried } connections in { $version } failed: some visitors see an error. The causes are in the event log System, source Schannel
tls-expired = attention: { $name } serves a certificate that expired on { $day }; clients refuse it. To renew it: pfxvault request NAME --out { -disk }request.txt
tls-expires-soon = note: the certificate that { $name } serves ends in { $left ->
        [0] less than a day
        [one] one day
       *[other] { $left } days
    } ({ $day })
bind-commands =
    The same by hand, in a command prompt opened as administrator:
    { $cmd }
    Or in PowerShell:
    { $powershell }
bind-commands-without = attention: netsh here has no option for these settings of { $endpoint }; pfxvault writes them, the commands do not: { $flags }
map-site-question = Which site here is "{ $site }" of the backup?
map-ip-question = The address { $ip } of the backup is not on this server. Which one stands for it?
choice-none = none of them: leave it out
progress-tls = asking the bindings on this machine for their certificates: { $count }
tls-shown = { $name } shows { $shown } ({ $thumbprint }), valid until { $until }
tls-not-ours = { $name } shows { $shown } ({ $thumbprint }, valid until { $until }), which is not among the certificates of this server
error-tls-names = there are no bindings to ask on this machine
    .hint = Name what to ask: pfxvault status --tls www.example.com
error-tls-name = not a host name, with or without a port: { $name }
    .hint = Write it as www.example.com or www.example.com:8443
tls-restart = To restart the site, in a command prompt opened as administrator: { $stop } and then { $start }
restart-question = Restart these sites now, so that they show the new certificate? (open connections are cut): { $sites }
restore-automatic-rebind = attention: the old server bound renewed certificates by itself, this one does not. To switch that on: in IIS Manager, Server Certificates, Enable Automatic Rebind of Renewed Certificate
restore-no-iis = attention: IIS is not installed here, so nothing can be bound
restore-not-bound = The certificates are not bound yet. Bind them in IIS Manager, or run the restore again without --keys-only once the sites are there.
restore-no-sites = The certificates are not bound yet, because nothing here says to which sites. Bind them in IIS Manager, or add --iis-config with a copy of the old server's applicationHost.config.
restore-bound = done: { $count ->
        [one] 1 binding has
       *[other] { $count } bindings have
    } the certificate of the backup
restore-unbound = attention: { $count ->
        [one] 1 binding was
       *[other] { $count } bindings were
    } not made; the reasons stand above
restore-not-restored =
    Not restored: contents and application pools of the sites, bindings without TLS, "require SSL", the firewall, DNS, settings of TLS.
    On the old server, pfxvault status --handing-back lists the private keys that remain.
    To take everything back: pfxvault undo
other-use = note: also used by { $program }: { $name } ({ $thumbprint }). A backup saves the key pair like those of IIS; the settings of { $program } are not changed
other-use-nowhere = note: { $program } is set to the certificate { $thumbprint }, which no store on this server holds. It cannot be saved; check whether { $program } still needs it
other-use-silent = note: { $program } is set up on this server and keeps to itself which certificate it uses, so no backup knows it. After a restore, check it in { $program }, and set it there if necessary
restore-other-use = note: on the old server { $program } used { $name }, too. pfxvault does not change that: set it there to the certificate { $thumbprint } after the restore
restore-other-use-silent = note: on the old server { $program } was set up. No backup knows which certificate it used: check that after the restore, and set it if necessary
status-other-use = { $program } on this server still uses { $name } ({ $thumbprint }). Before the server is handed back, set it on the new one: the restore there said how
renewer-seen = note: { $program } renews certificates on the server: { $places }. What it needs for that is in no backup. On a new server install it and set the renewal up there once more, before the certificates end
set-remote-desktop-powershell = . where wmic is missing, in PowerShell: Set-WmiInstance -Path (Get-WmiObject Win32_TSGeneralSetting -Namespace root\cimv2\TerminalServices -Filter "TerminalName='RDP-tcp'").__PATH -Argument @{"{"}SSLCertificateSHA1Hash="{ $thumbprint }"{"}"}
set-winrm = . in PowerShell: Set-WSManInstance -ResourceURI winrm/config/Listener -SelectorSet @{"{"}Address="{ $address }";Transport="HTTPS"{"}"} -ValueSet @{"{"}CertificateThumbprint="{ $thumbprint }"{"}"}
set-sql-server = . SQL Server Configuration Manager, Protocols for { $instance }, Properties, Certificate. The account of the service must be able to read the private key; then restart the service
set-iis-management = . IIS Manager, the server, Management Service: stop it, choose the SSL certificate, apply, start it
set-sstp = . in PowerShell: Set-RemoteAccess -SslCertificate (Get-Item Cert:\LocalMachine\My\{ $thumbprint })
set-nps = . Network Policy Server, Policies, Network Policies, each policy with PEAP or EAP-TLS: Constraints, Authentication Methods, Edit, the certificate
set-ad-fs = . in PowerShell: Set-AdfsSslCertificate -Thumbprint { $thumbprint }
set-reporting-services = . Report Server Configuration Manager, Web Service URL and Web Portal URL, HTTPS Certificate
set-rd-gateway = . in PowerShell: Import-Module RemoteDesktopServices; Set-Item RDS:\GatewayServer\SSLCertificate\Thumbprint -Value { $thumbprint }; Restart-Service TSGateway
set-exchange = . in the Exchange Management Shell: Get-ExchangeCertificate shows it, Enable-ExchangeCertificate -Thumbprint { $thumbprint } -Services SMTP,IMAP,POP sets it
set-remote-desktop = . wmic /namespace:\\root\cimv2\TerminalServices PATH Win32_TSGeneralSetting Set SSLCertificateSHA1Hash="{ $thumbprint }"
restore-maybe-renewed = attention: the certificate of { $name } ends in { $left ->
        [0] less than a day
        [one] one day
       *[other] { $left } days
    } ({ $day }) and may have been renewed since this backup
restore-expired = attention: the certificate of { $name } ({ $thumbprint }) expired on { $day }; clients refuse it. Look for its successor in other backups (pfxvault contents { $name }), or renew it: pfxvault request { $name } --out { -disk }request.csr
undo-bindings = Certificate assignments of HTTP.sys and bindings that will be put back as they were before: { $count }
error-shared-configuration = this server shares its IIS configuration with others: { $folder }
    .cause = a change to a binding changes every server of the farm
    .hint = If all of them are meant, add --farm; if only the certificates are wanted, --keys-only
error-map-file = the file of answers cannot be used: { $path }
    .cause = { $reason }
    .hint = Name a file in a folder that you can write to: --map { -disk }map.txt
error-report = the report cannot be written: { $path }
    .cause = { $reason }
    .hint = The changes shown on the screen were made; copy the screen into the ticket
report-head = pfxvault { $what }, { $time }, { $server }, { $user }
report-end = exit code { $exit }
help-restore-keys-only = Import certificates and keys only, and bind nothing
help-restore-map-site = Site of the backup and the site here that stands for it; may be given several times
help-restore-map-ip = Address of the backup and the address here that stands for it; may be given several times
help-restore-map = File with such answers; what is asked is added to it
help-farm = Change the configuration although other servers share it
help-restore-provider = Where RSA private keys are kept: csp, "Microsoft RSA SChannel Cryptographic Provider" (older programs, such as Exchange and AD FS, want it), or ksp, "Microsoft Software Key Storage Provider"; without this option as on the old server, and where that is not known ksp from Windows Server 2022 on, else csp
help-request-provider = Where the private key is kept: csp, "Microsoft RSA SChannel Cryptographic Provider" (older programs, such as Exchange and AD FS, want it), or ksp, "Microsoft Software Key Storage Provider"; without this option ksp from Windows Server 2022 on, else csp
help-restore-print-commands = Also print the commands of Windows that would do the same
help-change-report = New file for the change ticket: the plan, the answers, every change, what the server shows

## Requests and their answers

help-request = Make a key and a CSR for the certificate authority; install takes the answer.
help-request-hosts = Host names of the certificate, *.example.com for a wildcard; the first is the common name
help-request-out = File for the CSR; an existing one is never overwritten
help-friendly-name = Name of the certificate in IIS Manager
help-install = Take the certificate authority's answer: link it with its key, put it into the certificate store, back it up.
help-install-response = The answer: PKCS#7, a certificate, a ZIP file with it, or the whole mail saved as a file
help-install-store = Certificate store: personal (the default) or webhosting
help-install-to = USB stick for a backup right afterwards, such as { -stick }
help-request-organization = Organization, as it is registered (O)
help-request-organizational-unit = Department (OU); many authorities leave it out
help-request-locality = City (L)
help-request-province = State or province (ST)
help-request-country = Country, two letters such as JP (C)
request-plan = The request: { $subject }; for the names { $names }; the private key is made in { $provider }
error-subject = { $option } cannot be "{ $value }"
    .cause = a country is two letters, an organization or department up to 64 characters, a city or province up to 128, in one line
    .hint = Write it as the certificate authority has registered it
request-done = done: the CSR for { $name } is in { $path }. Send this file to the certificate authority.
request-next =
    The private key is on this server only, and whoever loses it cannot use the certificate. Back it up now, before the
    answer comes: pfxvault backup --from iis --to { -stick }
    When the answer comes: pfxvault install ANSWER.TXT
request-unsaved = attention: the request for { $name } waits for its answer, and its private key is in no backup. Back it up: pfxvault backup --from iis --to { -stick }
plan-install = install: { $name } -> store { $store }, as "{ $friendly_name }", linked to its private key on this server
install-pending = The pending request for { $name } is found.
install-request-deleted = The pending request for { $name } was deleted, but its private key is still on this server. It is used.
install-used-before = The request for { $name } was answered once before. Its private key is still on this server and is used again.
install-answered = the pending request is removed once a test signature has shown that the private key belongs to the certificate
install-question = Install the certificate?
install-done = done: { $name } is in the store { $store }, and a test signature showed that its private key belongs to it ({ $thumbprint })
install-already = Nothing to do: { $name } is in the store { $store }, and its private key works.
install-only-here = attention: this key pair exists only on this server until it is backed up: pfxvault backup --from iis --to { -stick }
outbox-sealed = sealed: generation { $number } waits in this server's outbox; the next backup to a USB stick saves it on that stick, too
request-not-sealed = attention: the private key of the request could not be sealed into the outbox: { $reason }
install-not-saved = attention: the certificate is installed, but it is not backed up: { $reason }
error-host-name = not a host name: { $name }
    .cause = a certificate is for names such as www.example.com or *.example.com, in any alphabet
    .hint = Check the spelling
error-request-exists = there is already a file { $path }
    .cause = it may be the CSR of another request, and no key is ever used for two
    .hint = Choose another name for --out
error-request-file = the CSR cannot be written to { $path }; the new private key was deleted
    .cause = { $reason }
    .hint = Choose another place for --out
error-request-failed = the request could not be made
    .cause = no key could be made, or a certificate cannot carry one of these names
    .hint = Check the host names, and run pfxvault selftest to see what this server can do
error-answer-none = no certificate in { $path }
    .cause = it is neither a certificate nor PKCS#7, nor a mail or an archive with either
    .hint = Save the whole mail of the certificate authority as a file, or the file attached to it
error-answer-damaged = { $path } is cut off or damaged
    .cause = a certificate begins in it, and does not end
    .hint = Save the mail of the certificate authority once more, whole
error-answer-instead = no certificate in { $path }
    .cause = { $seen }
    .hint = Save the file with the certificate, and give that one: pfxvault install FILE
answer-revocation-list = it is a list of revoked certificates
answer-closed-archive = it is an archive that is closed by a password, damaged, or of a kind that is not read here. Unpack it first
answer-other-files = none of the files in it or attached to it is a certificate: { $names }
answer-html-mail = it is an HTML mail without a certificate; the file attached to it is not in here
answer-mail = it is a mail without a certificate; the file attached to it is not in here
error-answer-request = { $path } is a certificate signing request (CSR), not the certificate made from it
    .cause = the certificate authority makes the certificate from the CSR, and sends it back
    .hint = Send the CSR to the certificate authority; then run pfxvault install with what it sends back
error-answer-pfx = { $path } is a PFX file, not the answer of a certificate authority
    .cause = a PFX file brings its own private key; install is for a certificate whose private key is on this server already
    .hint = Import it in IIS Manager (Server Certificates, Import), then back it up: pfxvault backup --from iis --to { -stick }
error-answer-key = { $path } is a private key, not the answer of a certificate authority
    .cause = a certificate authority sends a certificate, and never a private key
    .hint = Save the mail of the certificate authority, or the file attached to it, and give that one
error-answer-unreadable = the certificate in { $path } cannot be read
    .cause = it is complete, but its content is not that of a certificate
    .hint = Save it once more. If the result is the same, ask the certificate authority to issue it again
error-answer-leaf-unreadable =
    { $count ->
        [one] 1 certificate of the answer
       *[other] { $count } certificates of the answer
    } cannot be read, and the private key of none of the others is on this server
    .cause = the certificate for this server is probably one that cannot be read
    .hint = Save the answer once more. If the result is the same, ask the certificate authority to issue the certificate again
install-unreadable = attention: certificate { $place } of { $count } in the answer cannot be read and is left out ({ $thumbprint })
install-cut-off = attention: certificate { $place } of { $count } in the answer is cut off or damaged and is left out
error-answer-too-large = { $path } is too large for an answer of a certificate authority
    .hint = Check the path
error-answer-elsewhere = the private key of { $name } is not on this server ({ $thumbprint })
    .cause = the CSR was made on another server, or its private key was deleted
    .hint = Run the command on the server that made the CSR, or restore the request from a backup first: pfxvault restore --from { -stick } --to iis. Otherwise make a new request (pfxvault request) and have the certificate re-issued
error-answer-key-lost = the request for { $name } is here, but its private key does not work
    .cause = { $reason }
    .hint = Restore the request from a backup: pfxvault restore --from { -stick } --to iis. Otherwise make a new request (pfxvault request) and have the certificate re-issued
cannot-names-missing = the new certificate is not for these names of the one that is served there: { $names }
cannot-shared = this server shares its IIS configuration with others ({ $folder }). If all of them are meant, add --farm
cannot-address-not-here = this server does not have the address { $ip }
conflict-endpoint-taken = { $endpoint } serves another certificate to other sites, too: { $certificate }
error-no-site = there is no site of this name: { $site }
    .cause = the sites here are: { $sites }
    .hint = Give its name as IIS Manager shows it: --site "Default Web Site"
install-not-bound = No binding serves a certificate for the same names, so none is changed. To bind it, run the command again with --site "Default Web Site" (and --sni for a binding by host name, --ip for one address)
help-install-site = Bind it to this site, whatever it serves now; may be given several times
help-install-no-bind = Only put it into the certificate store, and bind nothing
help-install-ip = Address of a binding that is added (without it: all of them)
help-install-sni = Add a binding by host name ("Require Server Name Indication")
help-restart-site = Restart a site that goes on showing its former certificate (its connections are cut)
progress-restart = restarting the site "{ $site }"
site-not-restarted = attention: the site "{ $site }" was not restarted: { $reason }

## Parcels

reason-parcel-size = it ends too early, or is larger than a parcel may be
reason-parcel-form = it is not stored in the one form a parcel has
reason-parcel-path = it contains something that does not belong in a parcel: { $path }
reason-parcel-generation = it does not contain exactly one whole generation
reason-parcel-not-whole = what is in it is damaged, or was not written by an enrolled server
parcel-sealed =
    sealed: { $saved } of { $total } key pairs are in the parcel { $path } (generation { $number }); this does not count as a backup yet
    next: carry the file to a machine with a USB stick of the vault: pfxvault copy --from parcel:{ $path } --to { -stick }
parcel-on-share =
    note: { $path } is where others can reach it. A sealed parcel may pass there, because only a secret of the vault opens it.
    Bring it onto a USB stick soon, then delete it there.
backup-delivered = done: generation { $generation } from the outbox of this server is on a USB stick now
backup-stuck =
    attention: a parcel in the outbox of this server could not be brought onto the USB stick: { $path } ({ $reason })
    It stays there. Make this backup again with another stick. If that fails again, the backup you made now replaces it.
copy-refused =
    attention: not copied: { $path } on { $medium } was not written by a server that may write to this vault
    Nothing that enrolled servers wrote is affected. Find out who had this stick or file in hand.
error-parcel-unreadable = cannot read the parcel { $path }
    .cause = { $reason }
    .hint = Check the path, and that you may read the file
error-parcel-flaw = { $path } is not a parcel, or it is damaged
    .cause = { $reason }
    .hint = Get the file again from the server that sealed it, or seal a new one there: pfxvault backup --to parcel:FILE
error-parcel-exists = { $path } is already there; nothing was written
    .hint = A parcel is always a new file: choose another name
error-parcel-unwritable = cannot write the parcel { $path }; what was begun is removed
    .cause = { $reason }
    .hint = Choose another place with --to parcel:FILE, with enough space and where you may write
error-parcel-too-large = the parcel { $path } would be too large; nothing was written
    .hint = Back up fewer key pairs at a time by name, or use a USB stick
error-parcel-no-medium = { $medium } is a parcel, and this command writes to a USB stick
    .hint = Bring the parcel onto a USB stick first: pfxvault copy --from { $medium } --to { -stick }

## Enrolment of many servers

help-servers-request = Ask to enrol this server: makes its signing key and a small text file without any secret.
help-servers-request-file = New file for the request
help-servers-add = Enrol servers by their request files, all with one passphrase.
help-servers-add-files = Request files, made with pfxvault servers request
help-servers-add-to = USB stick of the vault that the new servers are written on, such as { -stick }; may be given several times
help-servers-add-answer = New file with the answer for servers that no stick can be carried to; the same file is for all of them
help-servers-accept = Finish enrolling this server with the answer to its request; no passphrase is needed.
help-servers-accept-from = File made with pfxvault servers add --answer, or a USB stick of the vault such as { -stick }
help-servers-accept-vault = Fingerprint of the vault, as on the instruction sheet, instead of typing its beginning
enrolment-request-done =
    done: the request of this server ({ $server }) is in { $path }. It contains no secret.
    Its fingerprint is { $fingerprint } (compare it when the request is accepted).
    next: carry the file to a machine with a USB stick of the vault: pfxvault servers add { $path } --to { -stick }
enrol-offer = This server is enrolled in no vault, so it has no backups of its own. Make the request for its enrolment now?
enrol-later =
    This server is enrolled in no vault, so it has no backups of its own. To enrol it: pfxvault servers join { -stick }
    Without the passphrase, or where the USB stick cannot be written: pfxvault servers request FILE
prompt-request-file = New file for the request [{ $usual }]:
enrol-not-requested = attention: the restore is done, but the enrolment was not requested: { $reason }. Later: pfxvault servers request FILE
enrol-plan = new: { $name } ({ $server }), fingerprint { $fingerprint }
enrol-known = enrolled already: { $name } ({ $server })
enrol-same-name = attention: several new servers call themselves { $name }. Compare their fingerprints on the servers themselves
enrol-question = { $count ->
        [one] Let this server write to the vault?
       *[other] Let these { $count } servers write to the vault?
    } Each fingerprint must be the one that the server itself shows.
enrol-done =
    done: { $count ->
        [0] no new server; all of them were enrolled before
        [one] 1 server may now write to the vault
       *[other] { $count } servers may now write to the vault
    }
    next, on each of them: pfxvault servers accept { $from }
accept-vault = This is the vault SHA256:................{ $shown }
prompt-vault = Type the first { $count } characters after "SHA256:" from the instruction sheet or the envelope:
error-request-unwritable = cannot write the request { $path }
    .cause = { $reason }
    .hint = Choose a new file name in a folder where you may write
error-request-flaw = { $path } is not a request of a server, or it was changed
    .hint = Make it again on the server (pfxvault servers request FILE) and carry it over unchanged
error-request-same-id = a request has the id of another server ({ $server }), but another key; nothing was changed
    .cause = this hardly happens by accident: somebody may want to take that server's place
    .hint = Find out where the request comes from; make a new one on the server itself with an empty folder: pfxvault servers request FILE --state { -disk }pfxvault-new
error-request-closed = { $name } ({ $server }) was retired, and stays so; nothing was changed
    .hint = Make a new request on that server with an empty folder: pfxvault servers request FILE --state { -disk }pfxvault-new
error-no-request = this server has not asked to be enrolled
    .hint = Ask first: pfxvault servers request FILE
error-not-admitted = this server ({ $server }) is not enrolled in { $medium }
    .cause = its request was not added yet, the answer is older, or it was retired
    .hint = Add its request where the vault is: pfxvault servers add FILE --to { -stick } --answer FILE
error-vault-unconfirmed = cannot ask whether this is the right vault, because there is no console
    .cause = neither an answer, nor what a key opens, proves whose it is
    .hint = Add the fingerprint from the instruction sheet or the envelope: --vault SHA256:... (with --age-key-file: --fingerprint SHA256:...)
error-not-acknowledged = nothing says that this vault is yours, so it was not used
    .hint = Compare the fingerprint with the instruction sheet; to give it with the command: --fingerprint SHA256:...
error-vault-differs = this is not the vault on your paper; nothing was changed
    .hint = Do not use it. Get it again from the owner of the vault, by another route

## Ending rights

help-servers-retire = End a server's right to write to the vault, for good; asks for the passphrase.
help-servers-retire-server = Id or name of the server
help-servers-retire-to = USB sticks of the vault that this is written on, such as { -stick }; may be given several times
help-servers-retire-last = Last generation of it that counts, by number or date (without it: the newest whole one on the sticks given)
help-servers-retire-compromised = Its key may have been stolen: none of its generations counts any more
help-access-change-passphrase = Make a new passphrase, try it, and no longer count the old one; asks for the old one, or takes the recovery key.
help-access-change-passphrase-to = USB stick of the vault the new passphrase is made on, such as { -stick }
help-access-change-passphrase-new-passphrase-file = File whose first line is the new passphrase, instead of typing it
help-access-change-passphrase-examples =
    pfxvault access change-passphrase --to { -stick }
        One that is easier to type; the old one is asked for first
    pfxvault access change-passphrase --to { -stick } --recovery-key
        The old one is forgotten; the recovery key from the envelope opens the vault
help-access-retire = End what a second person's key may decrypt: backups made from now on no longer; asks for the passphrase.
help-access-retire-id = The age public key (age1...) or its beginning, as pfxvault access list shows it
help-access-retire-to = USB sticks of the vault that this is written on, such as { -stick }; may be given several times
retire-server-plan = { $name } ({ $server }) will no longer be able to write. Its generations up to { $number } count; any with a higher number do not
retire-server-plan-none = { $name } ({ $server }) will no longer be able to write, and none of its generations will count or be offered for restore
retire-later = attention: generation { $generation } is here and will no longer count
retire-access-plan =
    Backups made from now on will not be readable with { $key }.
    Earlier ones stay readable with it, on every copy that its owner has or gets.
    A key that was added without --decrypt-only still opens the vault on every stick. Only a new vault ends that: pfxvault create { -stick } --replace
retire-re-issue-headline =
    { $count ->
        [one] This key pair is
       *[other] These { $count } key pairs are
    } known to others, or could be. Have each re-issued with a new key, then back up again:
retire-re-issue = - { $name } ({ $thumbprint }), valid until { $day }
retire-unread = attention: what is in generation { $generation } could not be read, so its key pairs are not listed
retire-question = Do this for good? It cannot be taken back.
declare-refused =
    attention: { $medium } could not be written and does not have it yet ({ $reason })
    Bring it up to date from one of the others: pfxvault copy --from { -stick } --to { $medium }
retire-done =
    done: it is written on the sticks given. Every server obeys it from its next backup to one of them on.
    next: bring the other sticks up to date, one after the other: pfxvault copy --from { -stick } --to { -second-stick }
error-unknown-server = no server of this vault has the id or name { $name }, or several have
    .hint = Give the id of one of them: pfxvault servers list { -stick }
help-servers-rename = Give this server another name in the vault, or have the owner confirm the one it has; asks for the passphrase.
help-servers-rename-name = The new name
help-servers-rename-to = USB sticks of the vault that this is written on, such as { -stick }; may be given several times
rename-question = This server ({ $server }) is called { $old }. Call it { $name } from generation { $number } on?
rename-done =
    done: it is called { $name } from generation { $number } on; what was written before keeps the name of its time
    next: bring the other sticks up to date, one after the other: pfxvault copy --from { -stick } --to { -second-stick }
help-servers-admit = Admit a server again whose part of the list is damaged or lost, so that its backups can be restored; asks for the passphrase.
help-servers-admit-key = Fingerprint of the server's key, from a paper or as the server itself shows it (at least its first 16 characters)
help-servers-admit-to = USB sticks of the vault with its generations, which this is written on, such as { -stick }; may be given several times
admit-plan =
    { $server }, fingerprint { $fingerprint }: { $count ->
        [one] 1 generation is here
       *[other] { $count } generations are here
    }. If it is admitted, they count, and it may write to the vault.
admit-maybe-closed = attention: an entry here that is damaged, or not the owner's, says that { $server } lost its right to write. If its key was stolen, or nobody knows, do not admit it
admit-statements-lost = attention: { $count ->
        [one] 1 entry of the owner's list is
       *[other] { $count } entries of the owner's list are
    } damaged or missing here. It may be the one that ended this server's right to write: look on your other sticks first
admit-question = Admit it? The fingerprint must be from your paper, or from the server itself.
admit-done =
    done: { $server } is admitted
    next: see what it has, then restore: pfxvault contents --from { -stick } --server { $server }
error-fingerprint-short = { $text } is too short for a fingerprint; nothing was changed
    .hint = Give at least { $count } characters of it, as on the paper or as the server shows it: SHA256:...
error-admitted-already = { $server } is admitted already; nothing was changed
    .hint = See what it has: pfxvault contents --from { -stick } --server { $server }
error-admit-unknown = no generation on { $medium } of a server that is not admitted is signed by a key with this fingerprint; nothing was changed
    .hint = Compare each character with the paper or with the server, and give the stick that has its generations
error-admit-closed = { $server } was retired, and stays so; nothing was changed
    .cause = an entry of the owner's list, on these sticks or remembered by this computer, ends its right to write
    .hint = If it is still in use, enrol it as a new server: on it, pfxvault servers join { -stick } --state { -disk }pfxvault-new
error-retire-nothing = no whole generation of server { $server } that could be its last is on the sticks given
    .hint =
        Give the stick that holds it, or name another one: --last 42
        If none of its generations shall count: --compromised
error-retire-two = two different backups share this number: { $numbers }
    .hint = Say which of them is the last good one: --last with one of { $numbers }
error-already-retired = { $name } was retired before; nothing was changed
    .hint =
        pfxvault servers list { -stick } and pfxvault access list { -stick } show what still counts
        A stick that does not know it yet learns it from another: pfxvault copy --from { -stick } --to { -second-stick }
error-unknown-access = no key that can decrypt new backups is called { $id }, or several begin so
    .hint = Give all of it, at least twelve characters: pfxvault access list { -stick } shows the keys
error-retire-own-key = this is the vault's own key, which the passphrase and the recovery key lead to; nothing was changed
    .hint = Without it nobody could open new backups; if it was stolen, make a new vault and have all certificates re-issued
error-retire-way-in = a passphrase or recovery key cannot be taken back; nothing was changed
    .cause = every copy of the sticks opens with it for ever
    .hint =
        For another passphrase: pfxvault access change-passphrase --to { -stick }
        If it fell into wrong hands, make a new vault (pfxvault create { -second-stick } --replace), have all certificates re-issued, and back them up there

column-site = site
column-binding = host:port
column-certificate = certificate
list-automatic-rebind = When Windows renews a certificate, it binds the new one by itself (automatic rebind is enabled).
list-sites-headline =
    It has { $count ->
        [one] 1 site
       *[other] { $count } sites
    } with { $bindings ->
        [one] 1 certificate binding.
       *[other] { $bindings } certificate bindings.
    }
list-sites-unread = attention: sites and bindings cannot be read: { $reason }
site-no-certificate = attention: { $site }: { $binding } has no certificate; connections to it are cut off
site-falls-back = attention: { $site }: { $own } has no certificate of its own; the one of { $endpoint } is shown
site-certificate-missing = attention: { $site }: { $binding } names a certificate that is not in its store ({ $thumbprint })
site-certificate-keyless = attention: { $site }: { $binding } names a certificate whose private key does not work: { $name }. Run pfxvault repair, or restore it from a backup
site-certificate-expired = attention: { $site }: { $binding } serves a certificate that expired on { $day }: { $name }
site-shadowed = attention: { $endpoint } has a certificate of its own, which may be shown there instead of those of { $names }
site-serves-every-name = attention: { $site }: { $binding } has neither address nor host name, so it answers for every name that no other site has
backup-assigned =
    { $path } does not say which certificate a binding has; { $count ->
        [one] 1 binding was given one by its host name
       *[other] { $count } bindings were given one by their host names
    }.

## Handling rules: where a place is, and what is wrong with it

seen-synced = a folder that looks synced by { $program } ({ $folder })
seen-shared = shared with other machines as "{ $share }" ({ $folder })
seen-served = handed out by a web site of this server ({ $folder })
seen-mail-store = kept by a mail program ({ $folder })
seen-unknown = a place of which the system does not say what it is ({ $reason })
seen-fixed-disk = a disk built into this machine ({ $file_system })
rule-warning = attention: handling rule { $rule }: { $path } is { $seen }
error-rule-no-email = refused by the handling rule no-email: { $path }
    .cause = { $place } is { $seen }; whoever gets or stores the mail has the key pair
    .hint = Write it to a USB stick or to a folder of this server. To do it anyway, give the reason: --accept no-email="REASON"
error-rule-no-handover = refused by the handling rule no-handover: { $path }
    .cause = { $place } is { $seen }; anybody who can open the web site can fetch what lies there
    .hint = Choose a folder outside every web site. To do it anyway, give the reason: --accept no-handover="REASON"
backup-one-device = attention: { $media } are on one and the same device and count as one medium; a fault takes all of them away

## Audit

help-audit = Show the five handling rules with evidence: is each kept, overdue or broken? Also finds stray key files.
help-audit-media = USB sticks to look at and check, such as { -stick }
help-audit-html = Also write the report to this new file, as one page to file or print
help-audit-scan = Search these files and folders for private keys, also inside mail and archives; shows none of them
help-audit-rules = Check only these handling rules, such as other-medium,password-kept (without it: all of them; a rule that nobody has checked then gives exit code 8)
progress-scanned = { $count } files looked at
rule-no-email = do not send the key pair file by e-mail
rule-no-shared-drive = do not keep it on a shared drive
rule-other-medium = keep a backup also on a medium other than the hard disk
rule-no-handover = give the key pair to nobody
rule-password-kept = never forget the password
level-note = note
level-unknown = not checked
level-kept = kept
level-not-found = nothing found
level-set-aside = exception
level-attention = attention
level-broken = broken
audit-good =
    ok: { $looked_at } of { $total } handling rules were looked at. Of these, none is broken or overdue{ $set_aside ->
        [0] {""}
        [one] ; 1 is an exception
       *[other] ; { $set_aside } are exceptions
    }.
audit-bad =
    attention: { $looked_at } of { $total } handling rules were looked at: { $broken } broken, { $attention } overdue or at risk, { $set_aside } exceptions, { $unknown } not checked.
audit-rule =
    { $level }: { $rule } ({ $id })
audit-evidence = - { $level }: { $evidence }
audit-set-aside = exception: { $reason } (by { $by } on { $time }, { $until ->
        [none] without an end
       *[other] until { $until }
    })
audit-not-scanned = nobody looked for stray key files. Look with pfxvault audit --scan { -scanned }
audit-strays =
    { $count ->
        [one] 1 private key was found that breaks this rule
       *[other] { $count } private keys were found that break this rule
    }. Move each to where it belongs, delete it everywhere else, and have the certificate re-issued if others had it.
audit-no-strays =
    nothing found in what was searched ({ $count ->
        [one] 1 file
       *[other] { $count } files
    }): no private key there breaks this rule. What was not searched is not known
audit-strays-naked =
    { $count ->
        [one] 1 private key has no password: whoever gets a copy of its file has
       *[other] { $count } private keys have no password: whoever gets a copy of their files has
    } the key. Protect each with a password, or delete it
audit-scanned = searched for private keys at { $time } by { $by }: { $paths } ({ $count } files)
audit-scan-incomplete =
    Not everything could be looked at: { $unread } could not be read, { $in_part } only in part (too large, damaged, behind a password, Outlook's own data files, or archives that are not opened, such as 7z, RAR, xz, zst and bz2).
audit-place-good = { $medium } is an allowed place
audit-place-bad = { $medium } is { $seen }
audit-no-vault = this server writes to no vault. Make one with pfxvault create { -stick }
audit-no-backup = this server has no backup yet. Make one with pfxvault backup --to { -stick }
audit-backup =
    the newest backup, generation { $number }, was made { $age ->
        [ahead] later than the clock here says
        [0] today
        [one] 1 day ago
       *[other] { $age } days ago
    }; all generations together hold { $pairs ->
        [one] 1 key pair
       *[other] { $pairs } key pairs
    }
audit-unsaved = { $name } is not in any backup
audit-copies =
    { $count ->
        [0] some key pairs are on no medium that is in use
        [one] some key pairs are on 1 medium only. Put them on a second one with pfxvault copy --from { -stick } --to { -second-stick }
       *[other] every key pair is on at least { $count } media
    }
audit-never-checked = USB stick "{ $label }" has never been found right by a check. Check it with pfxvault verify { -stick }
audit-found-bad =
    on USB stick "{ $label }" something was found damaged { $age ->
        [ahead] later than the clock here says
        [0] today
        [one] 1 day ago
       *[other] { $age } days ago
    }, and no check since has found all of it right. Mend it from another stick (pfxvault copy --from { -second-stick } --to { -stick }) or by a new backup, then pfxvault verify { -stick }
audit-checked =
    USB stick "{ $label }" was last checked and found right { $age ->
        [ahead] later than the clock here says
        [0] today
        [one] 1 day ago
       *[other] { $age } days ago
    }
found-attention = attention:
found-note = note:
audit-finding = on the media given: { $finding }
audit-authority = A certificate authority never needs the private key. Whoever asks for it is not one.
audit-remains = this server may no longer write to the vault, and still has the private key of { $name }: pfxvault status --handing-back
audit-servers =
    { $count ->
        [one] 1 server
       *[other] { $count } servers
    } may write to the vault
audit-no-key = the key of { $name } cannot be backed up, and there is an exception for it: { $reason }
audit-retired =
    USB stick "{ $label }" went out of use { $age ->
        [ahead] later than the clock here says
        [0] today
        [one] 1 day ago
       *[other] { $age } days ago
    }
audit-lost =
    USB stick "{ $label }" was given up as lost { $age ->
        [ahead] later than the clock here says
        [0] today
        [one] 1 day ago
       *[other] { $age } days ago
    }; what it holds opens only with the passphrase or the recovery key
audit-servers-closed =
    { $count ->
        [one] 1 server is
       *[other] { $count } servers are
    } out of use and may no longer write: { $servers }
audit-readers =
    { $count ->
        [one] 1 key
       *[other] { $count } keys
    } can decrypt new backups. Compare with pfxvault access list
audit-ways-in =
    { $count ->
        [0] nothing opens the vault, as far as this server knows
        [one] only one passphrase or recovery key opens the vault. Add another with pfxvault access add recovery-key --to { -stick }
       *[other] { $count } passphrases and recovery keys open the vault
    }
audit-no-drill = nobody has tried yet whether the vault opens and its backups can be restored. Try it with pfxvault drill --from { -stick }
audit-drill-partly =
    only a part of the backup was ever rehearsed (the last time { $pairs ->
        [one] 1 key pair
       *[other] { $pairs } key pairs
    }). Rehearse all of it with pfxvault drill --from { -stick }
audit-drill =
    the last rehearsed restore was { $age ->
        [ahead] later than the clock here says
        [0] today
        [one] 1 day ago
       *[other] { $age } days ago
    }: generation { $number }, { $pairs ->
        [one] 1 key pair
       *[other] { $pairs } key pairs
    } proven
audit-receipt = rehearsed on { $time } by { $by }, with { $kind ->
        [passphrase] the passphrase
        [recovery-key] the recovery key
        [age-key] an age key
        [ssh-key] an SSH key
        [plugin] a key of an age plugin
       *[shares] shares of a recovery key
    } { $way }{ $stock ->
        [0] {""}
       *[other] {" "}and stock tools
    }, from { $media }: generation { $number } of { $server }, { $pairs ->
        [one] 1 key pair
       *[other] { $pairs } key pairs
    }
column-server = server
column-made = made
column-due = due
column-pairs = key pairs
column-place = where it is
column-form = form
column-password = password
column-key-pair = key pair
column-rule = breaks rule
cell-away = not here
cell-open = none
cell-password = yes
cell-other = of others
cell-free = { $size } free
cell-read-only = write-protected
device-removable = removable
device-network = network drive
device-system-disk = system disk
device-fixed-disk = built-in disk
device-memory = main memory
page-language = en
page-title = Handling of TLS key pairs: report for { $server }
page-made = Made { $time } by pfxvault { $version }. Vault: { $vault }
page-rules = Handling rules
page-servers = Servers
page-media = Media
page-strays = Private keys found
page-signature = Seen by
page-signature-line = Date, name, signature: ______________________________
error-scan-path = there is nothing to search at { $path }
    .hint = Give files or folders that exist: pfxvault audit --scan { -scanned }
error-page = the report cannot be written to { $path }
    .cause = { $reason }
    .hint = Give the name of a new file in a folder that you can write to

## Papers

paper-sheet = Instruction sheet for the backup of the key pairs
paper-sheet-notice = There is no secret on this page. Keep copies where people look first: in the runbook, at the safe, on the sticks.
paper-sheet-what = The USB sticks below hold the TLS key pairs (certificate and private key) of the servers below, encrypted by the program pfxvault. Opening them needs the passphrase, or the recovery key from the sealed envelope. Read this page before you change anything.
paper-vault = Vault (fingerprint)
paper-made = Made
paper-made-by = { $day }, on { $computer }, by pfxvault { $version }
paper-servers = Servers, and what was newest on that day
paper-cell-server = server
paper-cell-newest = newest generation
paper-cell-record = SHA-256 of its RECORD.TXT
paper-newest = { $number }, made { $day }
paper-media = USB sticks
paper-cell-label = label
paper-cell-place = where it is kept
paper-emergency = If a server has to be restored
paper-emergency-pfxvault = With pfxvault, as administrator on the new server (E: is the stick). It asks for the passphrase, or for the recovery key:
paper-code = The square code says whose vault this is and what was newest. pfxvault sheet --check FILE compares a scan of this page with a stick.
paper-emergency-stock = Without pfxvault, with age and ssh-keygen. README.TXT on each stick has every step; these are the most important lines. The first one holds the owner's key: with it the signatures are checked without trusting the stick:
paper-hand = To be filled in by hand
paper-contact = Whom to call: { $contact }
paper-blank-contact = Whom to call
paper-blank-envelope = Where the envelope is
paper-blank-bitlocker = BitLocker recovery passwords of the sticks, if they are protected, are kept at
paper-blank-program = pfxvault is kept at, and came from
paper-blank-signed = Checked on, name, signature
paper-key-code = The square code on the right says the same, and whose vault it is.
paper-envelope = Envelope: recovery key of the backup
paper-envelope-notice = SECRET. Whoever has this page and one of the USB sticks can use every private key on it.
paper-envelope-what = Fold this page with the writing inside, put it into an envelope, seal it, and sign across the flap. Keep it in another place than the sticks. It is opened when the passphrase is lost; afterwards make a new vault, or at least a new envelope.
paper-key = Recovery key
paper-key-how = Type row by row: the six characters, then the two after them, by which pfxvault notices a mistake at once. Capitals or not makes no difference. There is no letter I and no letter O among them: what looks like one is the digit 1 or 0.
paper-use = How it is used
paper-use-pfxvault = With pfxvault (E: is the stick):
paper-use-age = Without pfxvault: write the six characters of all rows into recovery.txt, as one line without blanks, in capitals, and without the two characters after them. Then follow README.TXT on the stick:
paper-share-title = Envelope: share { $number } of { $count }
paper-share-notice = SECRET. Any { $threshold } of these shares and one of the USB sticks open every private key on it. Fewer open nothing.
paper-share-what = Fold this page with the writing inside, put it into an envelope, seal it, and sign across the flap. Another person keeps each of the { $count } envelopes, in another place than the sticks. { $threshold } of them are opened when the passphrase is lost; afterwards make a new vault, or at least new shares.
paper-share = Share { $number } of { $count }
paper-share-how = Type row by row: the three words, of which the first four letters are enough, then the two characters after them, by which pfxvault notices a mistake at once.
paper-share-stock = Without pfxvault: the words are shares by SLIP-39. With Python, shamir-mnemonic puts them together (no passphrase) and shows a NUMBER. The last line makes id.txt, if need be with IDENT004.AGE and so on; then follow README.TXT on the stick:
paper-share-convert = key.py is this file:
paper-blank-sealed = Sealed on, by, signature
paper-blank-kept = Kept at
paper-blank-opened = Opened on, by, reason
paper-no-glyph = the fonts for PDF do not have these characters: { $characters }
paper-unfit = there is more to say than one page has room for
sheet-done =
    done: the instruction sheet is in { $path }
    There is no secret on it. Print it, fill in the lines, and keep it where people look first. A copy may lie on the sticks.
check-envelope-opened = done: the recovery key on this page opened the vault { $vault }
check-share-whole =
    done: share { $number } is whole, and is for the vault { $vault }. It alone opens nothing; { $threshold } are needed.
    To try them together: pfxvault drill --from { -stick } --shares
check-share-delete =
    attention: { $path } shows a share. Delete it now, also where it was scanned and from the recycle bin.
check-delete =
    attention: { $path } shows the recovery key. Delete it now, also where it was scanned and from the recycle bin.
check-sheet-read = This is an instruction sheet of { $day } for the vault { $vault }. There is no secret on it.
check-sheet-vault = done: the fingerprint on the sheet is that of the vault here ({ $vault })
check-sheet-no-media = No USB stick of the vault is inserted, so nothing was compared with one. To do so: pfxvault sheet --check FILE --from { -stick }
check-sheet-good = done: what the sheet knows of { $count ->
        [one] 1 server
       *[other] { $count } servers
    } is here and whole, or something newer
check-sheet-behind = attention: the sheet knows generation { $number } of { $server }; here the newest that is whole is { $here ->
        [0] none at all
       *[other] { $here }, made { $day }
    }. Look for another stick before you restore: this one is damaged, older than the sheet, or was put back to an earlier state.
check-sheet-other = attention: generation { $number } of { $server } here is not the one that the sheet knows. Take another stick, and find out why.
check-sheet-statements = attention: the sheet knows { $signed } parts of the owner's list of servers and ways in; here are { $here }. This stick is older than the sheet, or was put back to an earlier state. Take another, and bring this one up to date.

## Menu

menu-headline =
    pfxvault { $version } on { $server }. Nothing has been changed yet; before anything is changed, you are asked.
    Nothing is sent over the network.
menu-question = What would you like to do?
menu-status = Show what is safe, overdue or at risk
menu-backup = Back up the key pairs of this server
menu-verify = Check a USB stick
menu-drill = Rehearse a restore (nothing is changed)
menu-copy = Bring another USB stick up to date, or fill a new one
menu-restore = Restore, or move to this server
menu-contents = Show which key pairs a USB stick holds
menu-drill-envelope = Try the recovery key from the envelope (nothing is changed)
menu-envelope = Make another recovery key, for a second envelope
menu-lost = A USB stick is lost: which key pairs were on it
menu-lost-label = What is it called (its label)?
menu-audit = Look at the five handling rules, with evidence
menu-demo = See everything once with throw-away data
menu-help = Show all commands
menu-install = Install the answer of the certificate authority
menu-undo = Take back the last change of this server
menu-list = Show what this server holds, and what is backed up
menu-report = Show all servers and USB sticks: what is due when, when certificates end
menu-report-file = New file for a page to print, such as { -disk }shop.html (Enter alone: on this screen only):
menu-sheet = Print the instruction sheet anew
menu-sheet-file = New file for it, such as { -disk }sheet.pdf:
menu-add = Make another USB stick for the vault
menu-join = Enrol this server in a vault that exists
menu-request = Ask the certificate authority for a certificate (CSR)
menu-request-name = Host name, such as www.example.com:
menu-request-file = New file for the CSR:
menu-quit = Quit
menu-next = What next?
menu-line = The same as a command: { $line }
menu-which-medium = Which USB stick is to be read?
menu-to-medium = Which USB stick is to be written? Other files on it are not touched, and it is not formatted.
menu-stick = { $root } ({ $system }, { $free } free)
menu-stick-vault = { $root } ({ $system }, { $free } free), vault stick "{ $label }"
menu-other-place = another place, to be typed
menu-back = Back
menu-type-medium = Drive letter or folder, such as { -stick }:
menu-backup-from = Where are the key pairs (folder:DIR or pfx:FILE)?
menu-restore-to = Where are they to be written (folder:DIR, pfx:FILE or pem:DIR)?
menu-install-file = File with the answer:
media-inserted = Reading what is inserted: { $media }
error-no-stick = no USB stick with a vault is inserted
    .hint = Insert one, or name the place: pfxvault verify { -stick }
error-label-not-here = no inserted USB stick has the label { $label }
    .hint = Insert it, or give its drive letter. pfxvault media list shows the labels
error-two-of-a-label = two inserted USB sticks have the label { $label }: { $one } and { $other }
    .hint = Give the drive letter of the one you mean

## The whole shop on one page
help-report = Show the whole shop: servers, USB sticks and key pairs, what is due when, and when certificates end.
help-report-media = USB sticks to read, such as { -stick }; opens the vault. Without one: what this server remembers of itself
help-report-html = Also write the report to this new file, as one page to file or print
help-report-examples =
    pfxvault report { -stick } --html { -disk }shop.html
        All servers on the stick, as a page to file or print
    pfxvault report --html { -disk }shop.html
        This server and its USB sticks, without a secret
report-title = TLS key pairs: servers, USB sticks and what is due
report-from-media = Read from USB stick { $media }
report-from-memory = From what this server remembers. Other servers are in it where sticks are given: pfxvault report { -stick }
report-headline =
    { $servers ->
        [one] 1 server
       *[other] { $servers } servers
    }, { $pairs ->
        [one] 1 key pair that counts
       *[other] { $pairs } key pairs that count
    }, { $sticks ->
        [one] 1 USB stick in use
       *[other] { $sticks } USB sticks in use
    }.
report-good =
    ok: every key pair is valid today and on enough USB sticks, and nothing is overdue.{ $soon ->
        [0] {""}
        [one] {" "}1 certificate ends within 30 days.
       *[other] {" "}{ $soon } certificates end within 30 days.
    }
report-attention = attention: { $not_valid } not valid today, { $soon } ending within 30 days, { $too_few } on too few USB sticks, { $overdue } dates overdue; points named below: { $named }
report-doubt = { $server }: { $doubt }
report-line = . { $line }
report-due-backup = Back up { $server }
report-due-check = Check USB stick { $label }, after it has been unplugged
report-due-replace = Replace USB stick { $label }
report-due-drill = Rehearse a restore of everything
report-due-first-drill = Rehearse a restore of everything, which nobody has done yet
column-what = what
cell-overdue = { $day } (overdue)
cell-too-few = (too few)
report-page-due = What is due when
report-page-ends = When certificates end
report-page-pairs = Key pairs and the USB sticks that have them
report-legend = ● on this stick · – not on it · ? of another server, and the stick was not read
report-ends = { $name } ({ $server }, { $day })
report-ended = ended
report-later = later
report-and-more = { $names }, and { $count } more
report-written = done: the page is at { $path }. It names servers and sites: keep it like other internal documents.
report-no-page = As a page to file or print: add --html FILE
error-report-not-enrolled = this machine writes to no vault, so it remembers nothing to report
    .hint = Name a USB stick: pfxvault report { -stick }

## The program beside the vault
help-with-program = Also put this program onto the USB stick, beside PFXVAULT; it is never run from there
help-program = Another file to put there with --with-program, such as pfxvault.exe or the program for Linux; may be given several times
program-put =
    done: in { $folder } on { $medium } lies the program, outside of what is trusted:
    { $programs }
    next: print the instruction sheet anew, which now says these hashes: pfxvault sheet --from { $medium } --to sheet.pdf
    Never run it from the USB stick: copy it to the hard disk, compare its hash with the paper, and run the copy.
program-line = { "  " }{ $name }  SHA-256 { $hash }
program-not-put = attention: { $name } could not be put beside the vault on { $medium }: { $reason }. The vault is not affected. Where another file stands there already, nothing was written over: remove it if nobody needs it, then try again
error-program = the program { $path } cannot be read: { $reason }
    .hint = Name a file of at most 256 MiB: --program pfxvault.exe
error-program-name = { $path } cannot be put beside the vault under this name
    .hint = Give the file a name of its own in letters, digits, dots, - and _, such as pfxvault.exe; eight files at most
paper-programs = The sticks named here also carry pfxvault, in PFXVAULT-PROGRAM. Never run it from the stick. Copy it to the hard disk, compare its hash with the one on this paper (Windows: certutil -hashfile pfxvault.exe SHA256; Linux: sha256sum pfxvault), and run the copy only if they are the same. A copy of this page on a stick does not count.
paper-cell-hash = SHA-256

## The contact in README.TXT
help-media-policy-contact = Whom the finder of a stick asks, in one line of README.TXT on it that everybody can read, such as "Web team, ext. 4711"; empty for nobody
media-contact = README.TXT on the sticks names as contact: { $contact }
media-contact-next = next: the next backup or copy to each stick writes it there. Everybody who finds a stick can read it.
error-contact = this cannot be a contact in README.TXT: one line of at most 80 characters that can be seen, without blanks around it
    .hint = Such as: pfxvault media policy --contact "Web team, ext. 4711"
found-contact =
    attention: README.TXT on { $medium } names as contact: { $contact }. This server never said that. Do not call or write there.
    The next backup or copy to this stick writes it anew. If no other server of the vault names that contact, find out who had the stick.
found-contact-unknown = note: README.TXT on { $medium } names as contact: { $contact }. Nobody signs that; compare it with the instruction sheet.
