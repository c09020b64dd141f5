# What pfxvault says, in Japanese. Ids, attributes and values are the same as in en.ftl; terms follow the glossary.
# One-line headings and parts of sentences (reason- seen- os-) have no full stop; whole sentences have one.

## Labels

label-error = エラー
label-cause = 原因
label-hint = 対処
label-usage = 使い方
label-commands = コマンド
label-arguments = 引数
label-options = オプション
label-examples = 例
label-name = 名前
label-synopsis = 書式
label-description = 説明

## Help: the program and the options of every command

help =
    pfxvault は、Windows Web サーバーの TLS キーペア(秘密鍵と証明書)を USB メモリの暗号化された保管庫にバックアップし、復元するツールです。
    まずはテスト用のデータで一通り試せます: pfxvault demo
help-help = ヘルプを表示します(コマンドごとのヘルプ: pfxvault help backup)
help-help-command = コマンド(例: backup、media add)
help-man = マニュアル ページをフォルダーに書き込みます。
help-man-folder = 書き込み先のフォルダー(なければ作成します)
help-version = バージョンを表示します
help-json = 結果を 1 つの JSON として出力します(プログラムから使う場合)
help-lang = 表示する言語: en または ja(省略時は PFXVAULT_LANG、なければシステムの言語)
help-state = このサーバーが保管庫の管理情報を置くフォルダー(省略時は PFXVAULT_STATE、なければ既定の場所)
help-quiet = 注意が必要なことだけを表示します
help-accept = 取り扱いルールの例外を理由付きで認めます: no-shared-drive="試験用データのみ"。status、audit、verify では、ID を指定して確認済みの点を保留にもできます
help-until = --accept の例外の最終日(今日から 1 年以内)。例: 2027-03-31
help-passphrase-file = パスフレーズを 1 行目に書いたファイル(入力の代わり)
help-recovery-key = パスフレーズの代わりに、封筒の復旧キーで保管庫を開きます
help-recovery-key-file = 復旧キーのファイル(入力の代わり)。create では、復旧キーの書き込み先となる新しいファイル
help-shares = 分割した復旧キーを順に入力して、保管庫を開きます
help-share-file = 分割した復旧キーの 1 つが書かれたファイル(入力の代わり)。必要な数だけ指定します

## Help: commands

help-list = サーバーまたはファイルのキーペアを一覧にし、有効期限とバックアップの有無を示します。
help-backup = キーペアを 1 本以上のメディアの保管庫に保存します。パスフレーズは不要です。
help-export = キーペアを PFX または PEM のファイルに出力します。IIS マネージャーの「エクスポート」に相当し、保管庫は使いません。
help-verify = メディアをすべて読み直し、署名と内容を検証します。パスフレーズは不要です。
help-drill = 復元できるか試します。キーペアを開いて照合し、TLS で接続します。何も書き込みません。
help-restore = 保管庫やファイルのキーペアを、サーバーで使える場所に復元します。メディアには書き込みません。
help-create = メディアに新しい保管庫を作成します。パスフレーズと復旧キーを決め、このサーバーを登録します。
help-contents = 保管庫にあるキーペアを、サーバーと世代ごとに表示します。
help-media = 保管庫のメディアの表示・追加・使用終了と、検証などの期限の設定を行います。
help-media-list = このサーバーに記録のあるメディアと、その内容を表示します。
help-media-add = 保管庫のメディアを 1 本追加します。パスフレーズは不要です。
help-servers = 保管庫に書き込めるサーバーの表示・登録(ファイルによる多数の登録も可)・登録の終了を行います。
help-servers-list = 保管庫に書き込める登録サーバーを表示します。
help-servers-join = このサーバーを登録し、保管庫に書き込めるようにします。パスフレーズを入力します。
help-access = 保管庫を開く手段の表示・追加・終了を行います。
help-access-list = 保管庫を開く手段を表示します。
help-access-add = 保管庫を開く手段か、新しいバックアップを age で復号できる公開鍵を追加します。パスフレーズを入力します。
help-sheet = 復旧手順書(秘密なし)または復旧キーを入れる封筒用の紙を、それぞれ 1 ページで作成します。作成した紙の読み戻しもできます。
help-sheet-from = 保管庫の USB メモリ(例: { -stick })。複数回指定できます(省略時は、接続されている USB メモリすべて)
help-sheet-to = 書き込み先の新しいファイル。.pdf は印刷用、.html はブラウザー用、それ以外はテキスト(省略時は、復旧手順書を画面にテキストで表示)
help-sheet-envelope = 秘密の紙を作成します。保管庫を開く復旧キーが必要です(--recovery-key または --recovery-key-file)
help-sheet-contact = 復旧手順書に印刷する連絡先
help-sheet-check = 紙をファイルまたはスキャン画像(PNG、JPEG、PDF)から、ファイルを省略した場合は入力から読み戻します。封筒の紙は、実際に保管庫を開けた場合にだけ有効と判定します
help-copy = ほかのメディアの内容を追加して、メディアを最新にします。何も削除せず、パスフレーズも不要です。
help-demo = バックアップ、破損、復元の流れを、テスト用のキーペアで実演します。このコンピューターの設定は変わりません。
help-completions = シェルの補完スクリプトを出力します。

## Help: arguments and options

help-names = ホスト名、フレンドリ名、ファイル名、または拇印(省略時はすべて)
help-from = キーペアの読み取り元: iis、folder:フォルダー、pfx:ファイル、pem:証明書(--key と組み合わせる)(省略時は PFXVAULT_FROM、なければ Windows では iis)
help-key = 秘密鍵のファイル(pem:証明書 の場合)
help-source-password-file = 読み取るファイルのパスワードを 1 行目に書いたファイル
help-source-passwords = ファイルごとのパスワードを書いたファイル(CSV。1 行に 名前,パスワード。名前が空の行はどのファイルにも使用)
help-to = キーペアの書き込み先: folder:フォルダー、pfx:ファイル、pem:フォルダー
help-restore-to = キーペアの書き込み先: iis(このサーバー。Windows での省略時)、folder:フォルダー、pfx:ファイル、pem:フォルダー
help-restore-retired = 復元対象から除外したキーペアも、名前を指定したものは復元します
help-reader = PFX を読み取る側の環境: server2012, server2016(3DES)、server2019, other(AES。既定値は server2019)
help-ask-pfx-password = PFX のパスワードを自動生成せず、自分で決めて 2 回入力します
help-pfx-password-file = 新しい PFX のパスワードを 1 行目に書いたファイル
help-eject = 最後に、確認せずに USB メモリを取り外せる状態にします
help-keep-mounted = 最後に、確認せずに USB メモリを使用中のままにします
help-force = 既存のファイルを置き換えます
help-dry-run = 実行計画の表示のみ行い、終了します
help-yes = すべての質問に「はい」と答えます
help-server = 対象のサーバー名または ID
help-generation = 世代の番号、または日付(例: 2026-10-31。その日までで最も新しい世代)
help-medium = USB メモリ({ -stick } などのドライブ、またはフォルダー)
help-label = メディアのラベル。拾った人にも読めます(省略時はコンピューター名)
help-replace = 今使っている保管庫から、この保管庫に切り替えます。以前の保管庫についての管理情報は残します
help-server-name = 保管庫でのこのサーバーの名前(省略時は PFXVAULT_SERVER_NAME、なければコンピューター名)
help-backup-to = 保存先の USB メモリ(例: { -stick })、または USB メモリに運ぶための封緘ファイル(parcel:ファイル)。複数回指定できます(省略時は PFXVAULT_BACKUP_TO、なければ画面で選びます)
help-backup-force = 変更がなくても新しい世代を書き込みます
help-verify-media = 検証する USB メモリ(例: { -stick })、または parcel:ファイル(省略時は、接続されている USB メモリすべて)
help-verify-vault = 封筒に控えた保管庫のフィンガープリント(一致するか確認します)
help-drill-from = 読み取る USB メモリ(例: { -stick })、または parcel:ファイル。複数回指定できます(省略時は、接続されている USB メモリすべて)
help-drill-stock = README.TXT のコマンドを、この USB メモリに合わせて表示します。フォルダーを指定すると、そのコマンドで作った PFX や PEM のファイルをバックアップと照合します
help-drill-receipt = 訓練の記録(誰が、いつ、何を使って、どの USB メモリから、何を開いたか)を書き込む新しいファイル(.json は JSON、それ以外はテキスト)
help-restore-from = 読み取る USB メモリ(例: { -stick })、または parcel:ファイル、folder:フォルダー、pfx:ファイル、pem:証明書(省略時は、接続されている USB メモリすべて)
help-contents-from = 読み取る USB メモリ(例: { -stick })、または parcel:ファイル。複数回指定できます(省略時は、接続されている USB メモリすべて)
help-contents-reveal-password = 保管庫の中の PFX のパスワードも、この画面だけに表示します
help-servers-list-media = 調べる USB メモリ(例: { -stick }。省略時はこのサーバーの管理情報)
help-access-list-media = 調べる USB メモリ(例: { -stick })(省略時は、接続されている USB メモリすべて)
help-access-add-way = 追加するもの: passphrase(パスフレーズ)、recovery-key(復旧キー)、shares:K/N(復旧キーを N 個に分割し、そのうちどの K 個でも開けるもの)、または別の担当者の公開鍵(age1...、age プラグインの age1NAME1...、または .pub ファイルの "ssh-...")
help-access-add-decrypt-only = age 公開鍵で、これ以降のバックアップを age で復号できるようにするだけで、保管庫は開けません。access retire で取り消せます
help-age-key-file = このファイルの鍵(age の AGE-SECRET-KEY-1...、age プラグインの AGE-PLUGIN-...、または SSH の秘密鍵。access add で追加したもの)で保管庫を開きます
help-fingerprint = 復旧手順書に書かれた保管庫のフィンガープリント(このサーバーに保管庫の記録がない場合)
help-access-add-to = 追加先となる保管庫の USB メモリ(例: { -stick })
help-access-add-new-passphrase-file = 新しいパスフレーズを 1 行目に書いたファイル(入力の代わり)
help-access-add-new-recovery-key-file = 新しい復旧キーの書き込み先となる新しいファイル(画面表示の代わり)
help-access-add-new-share-file = 新しい分割キーの 1 つの書き込み先となる新しいファイル(画面表示の代わり)。分割する数だけ指定します
help-copy-from = 読み取る USB メモリ(例: { -stick })、または parcel:ファイル。複数回指定できます
help-copy-to = 最新にする USB メモリ(例: { -second-stick })
help-completions-shell = シェルの種類

## Help: examples, a command line and below it what it does; the lines are the same in both languages

help-examples =
    pfxvault demo
        テスト用のデータで全体の流れを実演します。このコンピューターの設定は変わりません
    pfxvault backup --to { -stick }
        USB メモリ { -stick } にバックアップします(初回も 2 回目以降も同じです)
    pfxvault help backup
        コマンドの使い方を表示します
help-status-examples =
    pfxvault status
        何が安全で、何に注意が必要かを表示します
    pfxvault status { -stick } --tls www.example.com mail.example.com:8443
        USB メモリ { -stick } と、2 台のサーバーが TLS で提示する証明書も確認します
    pfxvault status --quiet --json
        監視用。注意が必要なときは終了コード 8 になります
    pfxvault status --accept few-media="second stick ordered" --until 2027-03-31
        確認済みの点を保留にします。期日を過ぎるか、状況が変わると、再び知らせます
help-list-examples =
    pfxvault list --from iis
        この Windows サーバーのサイトと証明書を一覧にします
    pfxvault list --from folder:{ -disk }certs
        フォルダーにある PFX や PEM のキーペアを一覧にします
help-backup-examples =
    pfxvault backup --to { -stick }
        IIS で使用中のキーペアをすべて保存します。新しい USB メモリには、確認のうえ保管庫を作ります
    pfxvault backup www.example.com --to { -stick } --eject
        1 組だけ保存し、最後に USB メモリを取り外せる状態にします
    pfxvault backup --from folder:{ -disk }certs --source-password-file { -disk }pw.txt --to { -stick } --yes
        フォルダーの PFX ファイルを、質問なしで保存します
    pfxvault backup --to parcel:{ -disk }web01.zip
        USB メモリを挿せないサーバーで、1 つの封緘ファイルにします
help-export-examples =
    pfxvault export www.example.com --from iis --to pfx:D:\www.pfx
        パスワードを 2 回入力して、1 つの PFX ファイルにします
    pfxvault export www.example.com --from iis --to pfx:D:\www.pfx --for server2012
        AES を読み取れない Windows Server 2012 R2 向けに出力します
help-verify-examples =
    pfxvault verify
        接続されているすべての USB メモリを検証します
    pfxvault verify { -stick } --eject
        1 本を検証し、最後に取り外せる状態にします
help-drill-examples =
    pfxvault drill --from { -stick }
        パスフレーズで、すべてを試します
    pfxvault drill --from { -stick } --recovery-key
        封筒の紙の復旧キーで試します
    pfxvault drill --from { -stick } --receipt { -disk }drill.txt
        監査の資料として保管する記録も作成します
    pfxvault drill --from { -stick } --stock
        pfxvault がない場合に入力するコマンドを表示します
help-restore-examples =
    pfxvault restore --from E: --to iis --dry-run
        このサーバーで何が変わるかを、変更せずに表示します
    pfxvault restore --from E: --to iis --server WEB01 --report D:\change.txt
        WEB01 のキーペアとバインドをこのサーバーに復元し、作業記録を残します
    pfxvault restore www.example.com --from { -stick } --to pfx:{ -disk }www.pfx
        パスワードを 2 回入力して、1 組を PFX ファイルにします
help-repair-examples =
    pfxvault repair --dry-run
        秘密鍵との関連付けが失われた証明書や、中断された実行を表示します
    pfxvault repair www.example.com
        1 つだけ修復します
help-retire-examples =
    pfxvault retire www.example.com --reason leaked
        秘密鍵が他人に渡ったおそれがある場合
    pfxvault retire www.example.com --undo
        除外を取り消します
help-undo-examples =
    pfxvault undo --dry-run
        何が取り消されるかを表示します
    pfxvault undo
        このサーバーへの直前の変更を取り消します
help-request-examples =
    pfxvault request www.example.com shop.example.com --out { -disk }request.txt
        2 つのホスト名の CSR を作成します
    pfxvault request www.example.com --out { -disk }request.txt --organization "Example K.K." --country JP
        組織名を含む CSR を作成します
help-install-examples =
    pfxvault install { -disk }answer.txt
        届いたファイルやメールをそのまま指定します。秘密鍵、ストア、バインドは自動で見つけます
    pfxvault install { -disk }answer.txt --to { -stick }
        続けてバックアップします
help-create-examples =
    pfxvault create { -stick } --label "Safe A"
        USB メモリ { -stick } に新しい保管庫を作成します
    pfxvault create { -stick } --replace
        第三者に開かれるおそれのある保管庫や、誰も開けなくなった保管庫から、新しい保管庫に切り替えます
help-contents-examples =
    pfxvault contents
        接続されている USB メモリの内容を表示します
    pfxvault contents www.example.com --from { -stick } --generation 2026-10-31
        その日の時点で復元対象だったかどうかを表示します
help-media-examples =
    pfxvault media
        このサーバーに記録のある USB メモリを表示します
    pfxvault media add { -second-stick } --label "Safe B"
        2 本目の USB メモリを追加します
help-media-list-examples =
    pfxvault media list
        このサーバーに記録のある USB メモリを表示します
help-media-add-examples =
    pfxvault media add { -second-stick } --label "Safe B" --place "second site"
        2 本目の USB メモリを、保管場所とともに追加します
help-media-retire-examples =
    pfxvault media retire "Safe A"
        古くなった、または交換した USB メモリの使用を終了します
    pfxvault media retire "Safe A" --lost
        紛失した場合。入っていたキーペアと、失効が必要かどうかを表示します
help-media-policy-examples =
    pfxvault media policy --min-media 2 --verify-every 6
        最新のバックアップを 2 本に置き、6 か月ごとに検証します
help-servers-examples =
    pfxvault servers
        書き込める登録サーバーを表示します
    pfxvault servers join { -stick }
        このサーバーも登録します。パスフレーズを入力します
help-servers-list-examples =
    pfxvault servers list { -stick }
        USB メモリ { -stick } の登録サーバーを表示します
help-servers-join-examples =
    pfxvault servers join { -stick } --server-name WEB02
        このサーバーを WEB02 という名前で登録します
help-servers-request-examples =
    pfxvault servers request { -disk }web02.txt
        パスフレーズを知る担当者に渡す申請ファイルを作成します
help-servers-add-examples =
    pfxvault servers add { -disk }web02.txt { -disk }web03.txt --to { -stick } --answer { -disk }answer.txt
        1 回のパスフレーズで 2 台を登録し、両方への回答を作成します
help-servers-accept-examples =
    pfxvault servers accept { -disk }answer.txt
        申請したサーバーで、回答を受け取ります
help-servers-retire-examples =
    pfxvault servers retire WEB01 --to { -stick }
        停止したサーバーの登録を終了します
    pfxvault servers retire WEB01 --to { -stick } --compromised
        侵入されたサーバーの場合。そのサーバーが書き込んだものはすべて無効になります
help-servers-rename-examples =
    pfxvault servers rename WEB02 --to { -stick }
        このサーバーの名前を WEB02 に変更します
help-servers-admit-examples =
    pfxvault servers admit SHA256:FINGERPRINT --to { -stick }
        登録が失われたサーバーを、そのサーバーで pfxvault servers list に表示されるフィンガープリントを指定して、再び登録します
help-access-examples =
    pfxvault access list
        保管庫を開く手段を表示します
    pfxvault access add recovery-key --to { -stick }
        2 通目の封筒を作ります
help-access-list-examples =
    pfxvault access list { -stick }
        USB メモリ { -stick } の保管庫を開く手段を表示します
help-access-add-examples =
    pfxvault access add passphrase --to { -stick }
        2 人目の担当者のパスフレーズを追加します
    pfxvault access add recovery-key --to { -stick }
        2 通目の封筒を作ります
    pfxvault access add shares:2/3 --to { -stick }
        復旧キーを 3 人に分けて渡します。そのうち 2 人がそろえば開けます
help-access-retire-examples =
    pfxvault access retire age1qqqq --to { -stick }
        別の担当者の公開鍵を、先頭の文字で指定して終了します
help-copy-examples =
    pfxvault copy --from { -stick } --to { -second-stick }
        { -stick } にあって { -second-stick } にないものを追加します。2 本を同時に接続するのはこのときだけです
help-sheet-examples =
    pfxvault sheet --from { -stick } --to { -disk }sheet.pdf
        復旧手順書を作成します(1 ページ。秘密は含みません)
    pfxvault sheet --envelope --recovery-key --from { -stick } --to { -disk }envelope.pdf
        2 通目の封筒の紙を作成します。復旧キーは 1 通目を見ながら入力します
    pfxvault sheet --check { -disk }sheet.pdf --from { -stick }
        復旧手順書を読み取れるか、この USB メモリのものかを確認します
help-audit-examples =
    pfxvault audit { -stick } --html { -disk }audit.html
        監査レポートを作成します
    pfxvault audit --scan { -scanned }
        置くべきでない場所にある秘密鍵を探します
help-demo-examples =
    pfxvault demo --lang ja
        日本語で実演します
help-selftest-examples =
    pfxvault selftest
        新しいサーバーで初めて復元する前に実行します
    pfxvault selftest --full
        まだ公開していない IIS サーバーで、専用のサイトを使って全体を試します
help-completions-examples =
    pfxvault completions powershell
        PowerShell 用。出力をプロファイルに追加します
help-man-examples =
    pfxvault man man --lang ja
        日本語のページをフォルダー man に書き込みます
help-help-examples =
    pfxvault help media add
        1 つのコマンドのヘルプを表示します

## Questions and what is typed

prompt-passphrase = 保管庫のパスフレーズ
prompt-passphrase-new = 新しいパスフレーズ(Enter のみで戻る)
prompt-passphrase-again = 確認のため、もう一度入力してください(Enter のみで選び直す)
prompt-written = すべて紙に書き写したら Enter を押してください。画面から消去します。
prompt-read = 確認できたら Enter を押してください。パスワードを画面から消去します。
prompt-word-back = 紙に書いた { $number } 番目の単語を入力してください(Enter のみでもう一度表示):
prompt-recovery-key = 封筒の復旧キー グループ { $group }
prompt-recovery-group = 紙に書いた復旧キーのグループ { $number } を入力してください(Enter のみでもう一度表示):
prompt-share = { $share } 枚目の紙{ $of ->
        [0] {""}
       *[other] (全部で { $of } 枚)
    } { $row } 行目
prompt-share-row = 紙に書いた分割キーの { $number } 行目を入力してください(Enter のみでもう一度表示):
prompt-show-changed = 実際に使われる形のパスフレーズを表示しますか?
prompt-interrupted = この質問で Ctrl-C により中止しました。上に完了と表示されたものは完了しています。ほかには何も変更していません。
plugin-says = { $plugin }: { $words }
plugin-confirm = { $plugin }: { $words }(y: { $yes }、n: { $no })
unlock-trying = パスフレーズを確認しています。数秒かかります。
unlock-as-typed = 一致しません。以前のバージョンの保管庫に合わせて、入力されたとおりの形で試しています。
unlock-capitals = 一致しません。大文字と小文字を変えて試しています(Caps Lock、先頭の大文字)。
unlock-go-on =
    このメディアには保管庫を開く手段が通常より多くあり、まだすべては試していません。
    続けますか?(続けるたびに 1 分ほどかかることがあります)
recovery-key-how =
    紙に書いた復旧キーを、グループ 1 から { $count } まで順に入力してください。まとめて入力することもできます。
    各グループの後ろに 2 文字の確認用文字が書かれている場合は、続けて入力してください。間違いがすぐにわかります。
    入力した文字は表示されません。Enter を押すごとに確認します。
group-check = グループ { $group } と、その後ろの 2 文字の確認用文字が合いません。紙を見直して、両方をもう一度入力してください。紙のとおりに入力している場合、その紙はこの USB メモリとは別の保管庫のものです。
group-character = グループ { $group } の { $place } 文字目は、そこには使われない文字です。紙を見直して、このグループをもう一度入力してください。
group-empty = 次はグループ { $group } です。復旧キーはあと { $missing } 文字あります。
group-too-much = { $count } 文字多すぎます。紙を見直して、このグループからもう一度入力してください。
group-short = グループ { $group } は { $length } 文字ですが、{ $typed } 文字しか入力されていません。紙を見直して、もう一度入力してください。
key-group-wrong = 文字数は合っていますが、グループ { $group } の 1 文字が違います。紙を見直して、このグループをもう一度入力してください。
key-several-wrong = 文字数は合っていますが、複数の文字が違います。グループ 1 からもう一度入力してください。
shares-how =
    紙に書かれた分割キーを、1 つずつ入力してください(順序は自由です)。1 行目から { $rows } 行目まで 1 行ずつ、またはまとめて入力できます。
    1 行は 3 つの単語(各単語は先頭の 4 文字だけでもかまいません)と、その後ろの 2 文字の確認用文字です。間違いがすぐにわかります。
    入力した文字は表示されません。Enter を押すごとに確認します。
share-taken = この紙(分割キー { $number })は正しく読み取れました。{ $missing ->
        [0] 必要な数がそろいました。
       *[other] あと { $missing } 個必要です。
    }
share-word = { $row } 行目の { $place } 番目の単語は、単語の一覧にありません。紙を見直して、この行をもう一度入力してください。
share-check = { $row } 行目と、その後ろの 2 文字の確認用文字が合いません。紙を見直して、この行をもう一度入力してください。紙のとおりに入力している場合、その紙はこの USB メモリとは別の保管庫のものです。
share-empty = 次は { $row } 行目です。この分割キーはあと { $missing } 語あります。
share-short = { $row } 行目は 3 語ですが、{ $typed } 語しか入力されていません。紙を見直して、もう一度入力してください。
share-too-much = 分割キーの行数を超えています。余分な行は無視しました。
share-foreign = この分割キーは別の組のものです。この組の分割キーは、どれも { $first } { $second } で始まります。別の紙の 1 行目を入力してください。
share-double = 分割キー { $number } はすでに入力されています。別の紙を使ってください。
share-of-other = 分割キー { $number } は、先に入力したものとは別の組か、別の保管庫のものです。別の紙を使ってください。
share-row-wrong = 単語はすべてそろっていますが、{ $row } 行目に間違いが 1 つあります。紙を見直して、その行をもう一度入力してください。
share-several-wrong = 単語はすべてそろっていますが、間違いが複数あります。1 行目からもう一度入力してください。
share-reason-word = { $row } 行目の { $place } 番目の単語が違います
share-reason-length = { $whole } 語のはずが { $count } 語です
share-reason-several = 複数の単語が違います
share-reason-form = pfxvault が作成しない形式です(グループに分かれた SLIP-39)
unfit-character = 見えない文字、またはほかのコンピューターでは入力できない文字({ $code })が含まれています。その文字を使わずに決めてください。
unfit-short = 短すぎます。{ $least } 文字以上にしてください(かなと漢字は 1 文字を 2 文字と数えます)。複数の単語を空白で区切って並べると覚えやすくなります。
unfit-long = 長すぎます。{ $most } バイト以下にしてください。
unfit-guessable = 繰り返し、キーの並び、1 つの単語などは最初に試されます。互いに関係のない複数の単語を並べてください。
changed-width = 注記: どのキーボードでも入力できるように、全角の英数字や半角のカナなどを、通常の文字に直しました。
changed-marks = 注記: 文字と濁点やアクセント記号を、多くのキーボードで入力される 1 つの文字にまとめました。
changed-blanks = 注記: 前後の空白を取り除き、単語の間の空白を通常の空白 1 つにそろえました。
estimate = 1,000 台のコンピューターで推測しても、{ $time }かかります。
estimate-weak =
    注意: 控えめに見積もると、1,000 台のコンピューターなら{ $time }で推測できます。単語や数字が { $parts } 個しかないためです。
    USB メモリを拾った人は、それだけの時間をかけて試すことができます。単語を 1 つ増やすごとに、数千倍難しくなります。
time-minutes = {" "}1 時間以内
time-hours = 約 { $count } 時間
time-days = 約 { $count } 日
time-years = 約 { $count } 年
time-for-ever = 100 万年以上
prompt-source-password = { $name } のパスワード(Enter のみで除外)
prompt-source-passwords = 保護されたファイル { $count } 個のパスワード(Enter のみで除外)
source-password-again = 3 回ともパスワードが間違っていました。別のパスワードを入力するか、Enter だけを押して除外してください。
source-password-in-vain = 注意: --source-passwords に { $name } の行がありますが、その名前のファイルはここにありません
source-passed-over = 読み取らなかったファイルとフォルダーが { $count } 件あります(フォルダーは 1 階層だけ読み取ります): { $names }
prompt-pfx-new = PFX の新しいパスワード
prompt-again = 確認のため、もう一度入力してください
prompt-choice = 番号を選んでください [{ $usual }]:
prompt-number = 表示されている番号のどれかを入力してください。
prompt-yes-or-no = y(はい)か n(いいえ)で答えてください。
prompt-empty = 何も入力されていません。もう一度入力してください。
prompt-differ = 一致しません。見直して、もう一度入力してください。
trap-not-ascii =
    注意: キーボードやコンソールによっては入力できない文字が含まれています。半角の英字をお勧めします。
trap-layout =
    注意: 日本語キーボードと英語キーボードで位置が異なる記号が含まれています。
    実際に入力することになるコンピューターで、正しく入力できるか確認してください。

## A new vault

create-what-it-is =
    USB メモリには、暗号化されたキーペアが保存されます。
    バックアップの担当者でも中身は見られません。開くにはパスフレーズ(忘れた場合は復旧キー)が必要です。
create-passphrase-choice =
    パスフレーズ(保管庫を開く言葉)を決めます。
      1  自動生成された 10 個の単語(推奨): 次に表示します。紙に書き写し、そのうち 3 つを確認のため入力します
      2  自分で決める: 2 回入力します
create-recovery-key =
    パスフレーズを忘れた場合に備えて、封筒に入れる「復旧キー」を作ります。表示するのは今回だけです。
    すべて紙に書き写して封筒に入れ、封をしてください。USB メモリとは別の場所に保管します。
    各グループの後ろの 2 文字は、入力の間違いを見つけるための確認用文字です。一緒に書き写してください。
    あとで、番号で指定された 3 つのグループを確認のため入力します。
create-recovery-key-file =
    注意: 復旧キーをファイル { $path } に書き込みました。このファイルを手に入れた人は、誰でも保管庫を開けます。
    ルール password-kept により、紙での保管が必要です。すぐに印刷して封筒に入れ、封をしてから、このファイルを削除してください。
create-share =
    分割キー { $count } 個のうちの { $number } 個目です。どの { $threshold } 個でも保管庫を開けます。それより少ないと開けません。
    1 枚の紙にすべて書き写し、1 通の封筒に入れて、保管する人に渡してください。表示されるのは今回だけです。
    各行の後ろの 2 文字は確認用です。入力の間違いがすぐにわかるので、一緒に書き写してください。
    このあと、3 つの行を番号で確認します。
create-share-file =
    注意: 分割キー { $number } をファイル { $path } に書き込みました。今すぐ印刷し、1 通の封筒に入れて封をし、保管する人に渡してください。
    その後、ファイルを削除してください。必要な数の分割キーを手に入れた人は、保管庫を開けます。
create-done =
    完了: { $medium } に保管庫を作成し、このサーバーを登録しました
    保管庫のフィンガープリント(封筒に書いてください): { $vault }
replace-what =
    このサーバーは今、保管庫 { $vault } に書き込んでいます。別の保管庫に切り替えると:
    ・バックアップの保存先は新しい保管庫だけになります。以前の{ $media ->
        [none] 保管庫のメディア
       *[other] 保管庫の USB メモリ({ $media })
    }には書き込まず、そのまま残します
    ・以前の保管庫は、そのパスフレーズか鍵があれば、このサーバーでも引き続き読めます
    { $others ->
        [0] ・以前の保管庫に書き込むサーバーはほかにありません
       *[other] ・ほかの { $others } 台のサーバーは、以前の保管庫への書き込みを続けます。それぞれを移すには、そのサーバーで実行: pfxvault servers join { -stick } --replace
    }
replace-nowhere-else =
    注意: { $stores ->
        [looked] 以前の保管庫にあり、このサーバーにはないキーペアが { $count } 組あります: { $names }
        以前の保管庫を誰も開けなくなると失われます。その前に復元するか、証明書を再発行してください。
       *[none] 以前の保管庫には、このサーバーのキーペアが { $count } 組あります: { $names }
        このサーバーにまだあるものは、次のバックアップで保存されます。それ以外は、以前の保管庫を誰も開けなくなると失われます。その前に復元するか、証明書を再発行してください。
    }
replace-question = 新しい保管庫に切り替えますか?
replace-done =
    以前の保管庫についての管理情報は { $former } に残してあります。
      内容の確認: pfxvault contents --state { $former }
key-says-no-vault =
    注意: この復旧キーには、どの保管庫のものかが書かれていません。開いた保管庫: { $vault }
    復元したものを使う前に、このフィンガープリントを復旧手順書または封筒の紙と照合してください。
key-acknowledge = このフィンガープリントは、手元の紙のものと同じですか?
create-next =
    次に: 最初のバックアップを取ってください(保管庫はまだ空です)
      pfxvault backup --from { -source } --to { $medium }

## Backup

backup-create-question = { $medium } にはまだ保管庫がありません。新しく作成しますか?(ほかのファイルには触れません)
backup-add-question = { $medium } にはまだ保管庫がありません。このサーバーの保管庫のメディアとして追加しますか?(ほかのファイルには触れません)
backup-plan =
    実行計画: { $count } 組のキーペアを保存します。{ $missing ->
        [0] 読み取れないものはありません。
       *[other] { $missing } 件は読み取れません。
    }まだ何も書き込んでいません。
backup-done = 完了: { $total } 組中 { $saved } 組のキーペアを USB メモリ「{ $label }」({ $medium })に保存し、読み戻して照合しました(第 { $number } 世代)
backup-one-copy =
    注意: { $saved } 組のキーペアを USB メモリ「{ $label }」({ $medium }、第 { $number } 世代)に保存しましたが、2 つのコピーのうち 1 つしか書き込めませんでした({ $reason })
    同じバックアップをもう一度実行してください。再び同じ結果になる場合は、この USB メモリを交換してください。
backup-unchanged = 完了: 前回から変更はありません。すべて USB メモリ「{ $label }」({ $medium }、第 { $number } 世代)に保存済みのため、何も書き込みませんでした
backup-failed =
    注意: { $medium } には何も保存できませんでした({ $reason })
    以前の内容は有効なままです。もう一度実行するか、別の USB メモリを使ってください。
backup-missing-known = バックアップしていません(例外として確認済み、{ $until } まで: { $why }): { $name }: { $reason }
backup-missing = 注意: { $name } は保存していません({ $reason })
backup-in-use = 注意: { $name } は使用中({ $uses })ですが、どのバックアップにも入っていません。これも保存するには: pfxvault backup { $thumbprint }
reason-in-use-not-found = 使用中({ $uses })ですが、このサーバーのどの証明書ストアにも見つからないため、保存できません。以前のバックアップから復元するか、別の証明書をバインドしてください。サイトで使われている証明書は pfxvault list で確認できます
backup-decayed =
    注意: { $medium } にある以前のバックアップが正しく読み出せません(世代 { $generation })
    影響の範囲を pfxvault verify { $medium } で確認し、早めに USB メモリを交換してください。
eject-question = { $medium } を取り外せる状態にしますか?
eject-done = { $medium } は今すぐ取り外せます。
eject-failed =
    注意: { $medium } を取り外せる状態にできませんでした({ $reason })。保存した内容は書き込み済みです。
    抜く前に手動で取り外してください: 時計の横の「ハードウェアを安全に取り外してメディアを取り出す」アイコン、Linux ではファイル マネージャーを使います。
backup-passwords = PFX のパスワードは、暗号化して保管庫に入れました。覚える必要はありません。パスフレーズだけで復元できます。
backup-next =
    次に: USB メモリを安全に取り外し、金庫などに保管してください。{ $count ->
        [1] 現在 1 本しかありません。2 本目を作ってください: pfxvault backup --from { $source } --to { -second-stick }
       *[other] ほかの USB メモリは 1 本ずつ差し替えて最新にしてください。すべてを同時に接続しないでください。
    }

## What a server or a vault holds

list-headline =
    { $count ->
        [0] { $unread ->
            [0] ここにはキーペアがありません。
           *[other] ここにはキーペアが { $unread } 組ありますが、開けないか読み取れません。
        }
       *[other] ここには { $count } 組のキーペアがあります。{ $unsaved ->
            [0] すべてバックアップ済みです
           *[other] そのうち { $unsaved } 組はまだバックアップされていません
        }{ $unread ->
            [0] 。
           *[other] 。ほかに { $unread } 組は開けないか読み取れないため、バックアップ済みかどうか確認できません。
        }
    }
list-certificate = { $name } の証明書({ $thumbprint })に対応する秘密鍵は、ここにありません
list-authority = 対象外(どのキーペアの発行にも使われていない認証局の証明書): { $name }({ $thumbprint })
list-certificate-perhaps = { $name } の証明書({ $thumbprint })に対応する秘密鍵は見つかりませんでした。開けない、または使えないファイルの中にあるかもしれません: { $files }
further-certificates = { $name } と一緒に保存する証明書(同じファイルにあるもの): { $count } 個({ $names })
certificate-unread = 注記: { $file }: { $reason }。この証明書が読み取れなくても、キーペアに不足はありません。この証明書も元の内容のまま保存されます
friendly-name-not-kept = 注記: { $file } では同じ証明書のフレンドリ名が { $name } です。保存するフレンドリ名は { $kept } です
renewed-by-win-acme = 注記: { $names } は win-acme または simple-acme が更新しています。更新に必要な設定はバックアップに含まれません。C:\ProgramData\win-acme または C:\ProgramData\simple-acme と、タスク スケジューラのタスクにあります。新しいサーバーにインストールし、有効期限が切れる前に更新を設定し直してください
renewed-by-certify = 注記: { $names } は Certify が更新しています。更新に必要な設定はバックアップに含まれません。C:\ProgramData\certify にあります。新しいサーバーに Certify をインストールし、更新を設定し直すか、Certify でエクスポートしたものをインポートしてください
renewed-by-posh-acme = 注記: { $names } は Posh-ACME が更新しています。更新に必要な設定はバックアップに含まれません。発行を行うアカウントの %LOCALAPPDATA%\Posh-ACME と、タスク スケジューラのタスクにあります。新しいサーバーにモジュールをインストールし、そのフォルダーをコピーするか発行し直して、タスクを作成してください
renewed-by-windows = 注記: { $names } は自社の認証局のテンプレートから発行されています。そのテンプレートで自動登録が有効なら、ドメインのメンバーでは Windows が証明書を更新します。IIS のバインドが新しい証明書に変わるのは、更新された証明書の自動再バインドを IIS マネージャーで有効にした場合だけです。どちらの設定もバックアップに含まれません。新しいサーバーで確認してください
left-alone = { $file } の中で対象外のもの: { $what }
left-alone-crl = 証明書失効リスト { $count } 個
left-alone-secret = 証明書と関係のない秘密情報 { $count } 個
left-alone-other = pfxvault の知らない種類の項目 { $count } 個({ $kind })
list-unreadable = 注意: { $name } は読み取れません({ $reason })
contents-headline =
    { $server }({ $id }): キーペア { $count } 組。{ $alone ->
        [yes] 第 { $number } 世代だけの内容です
       *[no] 最新は第 { $number } 世代
    }({ $day }、{ $age ->
        [ahead] このコンピューターの時計より先の日付で作成
        [0] 本日作成
       *[other] { $age } 日前に作成
    })
contents-generations =
    世代:
    { $lines }
contents-generation = 第 { $number } 世代({ $day }): { $count } 組
contents-generation-clock = { $line } (日付は正しくありません。作成時の時計が誤っていました)
contents-without-key = 注意: { $name } は保存されていません(バックアップのときに秘密鍵を読み取れませんでした)
contents-password = { $name }:
column-names = ホスト名
column-friendly-name = フレンドリ名
column-thumbprint = 拇印
column-expires = 有効期限
column-key = 鍵の種類
column-generation = 世代
column-chain = チェーン
column-backup = バックアップ
column-file = ファイル
column-label = ラベル
column-newest = 最新の世代
column-seen = 前回の接続
column-verified = 前回の検証
cell-none = なし
cell-central = 集中証明書ストア
cell-never = なし
cell-backup = { $number } ({ $day })
cell-backup-retired = { $backup }、復元対象外
cell-expired = { $day }(期限切れ)
cell-not-yet-valid = { $day }(まだ有効でない)
cell-ends-soon = { $day }({ $left ->
        [0] 残り 1 日未満
       *[other] 残り { $left } 日
    })
cell-weak = { $key }(弱い)
cell-no-chain = { $key }、チェーンなし

## Weaknesses of key pairs that are saved all the same

warning-expired = 注意: { $name } の証明書は { $day } に期限が切れています
warning-not-yet-valid = 注意: { $name } の証明書は { $day } まで有効になりません
warning-weak-key = 注意: { $name } の鍵は強度が不足しています({ $key_type })。次回の更新で強い鍵に切り替えてください
warning-weak-signature = 注意: { $name } の証明書は安全でない署名方式を使っています({ $algorithm })。再発行を依頼してください
warning-missing-intermediate = 注意: { $name } の証明書チェーンに「{ $issuer }」の証明書がありません。新しいサーバーがチェーンを送信できないことがあります
warning-read-in-part = 注意: { $name } の証明書は一部しか読み取れません。内容を変えずにそのまま保存します
warning-no-mac = 注意: { $name } の PFX には改ざん検出用の情報がなく、ファイルの破損や変更に気づけません

## Restore, export, drill

restore-from =
    { $server } のバックアップから復元します。{ $alone ->
        [yes] 第 { $number } 世代だけを使います。
       *[no] {""}
    }復元対象のキーペアは { $count } 組です({ $alone ->
        [yes] {""}
       *[no] 最新は第 { $number } 世代、
    }{ $age ->
        [ahead] このコンピューターの時計より先の日付で作成
        [0] 本日作成
       *[other] { $age } 日前に作成
    })。{ $age ->
        [0] {""}
       *[other] それより後に更新した証明書は含まれません。
    }
restore-iis-files =
    次の { $count } 組は、フォルダーのファイル(集中証明書ストアなど)からバックアップしたもので、どのバインドも使っていないため、インポートしません: { $names }
    ファイルとして復元する場合は、同じコマンドに --to folder:{ -disk }certs を指定してください。それでもインポートする場合は、その名前を追加してください。
restore-missing = 注意: { $name } は含まれません({ $reason })
restore-question = これらのファイルを書き込みますか?
restore-retired-question = { $names } は復元対象から除外されています。それでも復元しますか?
plan-create = 新規: { $name }({ $thumbprint }、{ $end })→ { $path }
plan-replace = 置き換え: { $name }({ $thumbprint }、{ $end })→ { $path }
plan-renamed = 注意: { $name }({ $thumbprint }、発行日 { $begin }、{ $end })には、以前のファイル名 { $was } を使えません({ $reason })
plan-apart = 注意: { $name }({ $thumbprint }、発行日 { $begin }、{ $end })は、ホスト名のファイルを同時に書き込む別のキーペアが使うため、拇印を付けた名前にします
reason-name-taken = 同時に書き込む別のキーペアが、その名前を使います
reason-name-unusable = どのシステムでも使えるキーペアファイルの名前ではありません
end-valid = 有効期限 { $day }
end-soon = { $left ->
        [0] 残り 1 日未満
       *[other] 残り { $left } 日
    }、有効期限 { $day }
end-expired = { $day } に期限切れ
end-not-yet-valid = { $day } より前は無効
standing-headline = { $total } 組中 { $valid } 組の証明書が本日有効です
standing-expired = 注意: { $name } の証明書({ $thumbprint })は { $day } に期限が切れています。クライアントは接続を拒否します。更新を依頼し、新しい証明書をバックアップしてください: pfxvault backup --to { -stick }
standing-not-yet-valid = 注意: { $name } の証明書({ $thumbprint })は { $day } まで有効になりません。それまでクライアントは接続を拒否します。その日を過ぎている場合は、このコンピューターの時計を合わせてください
standing-soon = 参考: { $name } の証明書({ $thumbprint })は{ $left ->
        [0] あと 1 日以内に
       *[other] あと { $left } 日で
    }期限が切れます({ $day })
restore-done = 完了: { $count } 組のキーペアを { $place } に書き込みました({ $files } ファイル)
restore-open-keys =
    注意: { $place } の秘密鍵は暗号化されていません。ファイルを読める人は誰でも鍵を使えます。
    必要な場所に移し、それ以外の場所からは削除してください。
export-rules =
    これらのファイルには秘密鍵が入っています。メールに添付したり、共有ドライブに置いたりしないでください。
    他人に渡さないでください(認証局が受け取ることもありません)。パスワードを忘れないでください。
drill-nothing = { $server } には復元の対象になるキーペアがないため、確かめるものがありませんでした
drill-verdict =
    { $server } のキーペア { $total } 組中 { $good } 組を復元できることを確認しました({ $alone ->
        [yes] 第 { $number } 世代のみ
       *[no] 最新は第 { $number } 世代
    }、{ $age ->
        [ahead] このコンピューターの時計より先の日付で作成
        [0] 本日作成
       *[other] { $age } 日前に作成
    })
drill-handshake = OK: { $name }: 開封、鍵と証明書の照合、TLS 接続({ $version })に成功しました
drill-signature = OK: { $name }: 開封、鍵と証明書の照合、署名({ $key_type })に成功しました。この種類の鍵での TLS 接続はここでは試せません
drill-failed = 注意: { $name } はここから復元できません({ $reason })
drill-windows = この Windows は PFX { $total } 個中 { $good } 個をインポートできます(試しただけで、鍵は残していません)
drill-windows-refused = 注意: この Windows は { $name } の PFX をインポートできません({ $interface }): { $reason }
drill-windows-hint = pfxvault restore --to iis は PFX を使わずに鍵を入れるので、このままでも復元できます。できないのは、手作業でのインポートだけです。
drill-windows-aes-hint =
    Windows Server 2012~2016 でインポートできるファイルを作るには: pfxvault restore --from { -stick } --to folder:{ -disk }certs --for server2016
    今後、そのようなファイルを USB メモリに保存するには: pfxvault backup --to { -stick } --for server2016 --force
reason-windows-no-aes = この Windows(ビルド { $build })は、AES で暗号化された PFX を読み取れません。読み取れるのは Windows Server 2019(ビルド 17763)以降です
receipt =
    復元訓練の記録
      日時: { $time }、実行: { $by }({ $computer })
      開いた手段: { $kind ->
        [passphrase] パスフレーズ
        [recovery-key] 復旧キー
        [age-key] age の鍵
        [ssh-key] SSH の鍵
        [plugin] age プラグインの鍵
       *[shares] 分割した復旧キー
    }({ $way }){ $stock ->
        [0] {""}
       *[other] 。ファイルは age を使って手作業で復号
    }
      読み取り元: { $media }
      保管庫: { $vault }
      サーバー: { $server }
    { "  " }{ $alone ->
        [yes] 使った世代(この世代のみ)
       *[no] 最新の世代
    }: { $number }(RECORD.TXT の SHA-256: { $hash })
      確認: キーペア { $count } 組({ $everything ->
        [0] 復元対象の一部
       *[other] 復元対象のすべて
    })
receipt-pair = { "  " }{ $name }、有効期限 { $end }、{ $thumbprint }
receipt-written = 完了: 記録を { $path } に書き込みました。秘密の情報は含まれません
stock-how =
    次のコマンドを { -shell } に上から順に入力してください(pfxvault は使いません)。README.TXT のコマンドを、この USB メモリに合わせたものです。
    取り出したものは秘密です。信頼できるコンピューターで作業し、RECORD.TXT と "Good" の表示は README.TXT のとおりに確認してください。
stock-then =
    続いて、同じウィンドウで照合し、その後の行で作業フォルダーを削除してください:
      pfxvault drill --from { $medium } --stock { -work-folder }
stock-stranger = 注意: バックアップのキーペアではないか、読み取れません: { $name }
stock-rest = 手作業で開いていないキーペア: { $count } 組({ $names })
stock-tidy-up = 注意: このフォルダーには暗号化されていない秘密鍵があり、id.txt で保管庫全体を開けます。今すぐフォルダーを削除してください。
way-name = { $kind ->
        [passphrase] パスフレーズ
        [recovery-key] 復旧キー
        [age-key] age の鍵
        [ssh-key] SSH の鍵
        [plugin] age プラグインの鍵
        [shares] 分割した復旧キー
       *[unknown] パスフレーズまたは鍵
    } { $id }
way-proven = { $way }: 最後にここで保管庫を開いた日: { $day }({ $by })
way-long-ago = { $way }: { $day } を最後に、ここで保管庫を開いていません。試すには: pfxvault drill --from { -stick }{ $option }
way-never = { $way }: ここで保管庫を開いた記録がありません。試すには: pfxvault drill --from { -stick }{ $option }
ways-tried = 保管庫を開く手段は、どれもこの 1 年以内にここで試されています: { $ways }

## Media, servers, access, copy

media-headline =
    { $count ->
        [0] このサーバーに記録のあるメディアはまだありません。
       *[other] このサーバーに記録のあるメディアは { $count } 本です。
    }
media-device = { "  " }{ $label }: { $device }
media-separated =
    完了: { $medium } は独立した USB メモリ「{ $label }」になり、1 本と数えられます。保存されている内容は変わりません。
    次に: 新しいラベルを USB メモリに書いてください。
media-added =
    完了: { $medium } を保管庫のメディア「{ $label }」として追加しました。キーペアはまだ入っていません
    次に: pfxvault backup --from { -source } --to { $medium }
servers-headline = 保管庫 { $vault } の登録サーバー: { $count } 台
servers-this = { $server }: このサーバー(書き込み可)、鍵のフィンガープリント { $fingerprint }
servers-other = { $server }: 書き込み可
servers-closed = { $server }: 書き込み終了
servers-not-on-media = { "  " }参考: このサーバーの記録によるもので、指定された USB メモリにはまだ反映されていません。反映するには: pfxvault copy --from { -second-stick } --to { -stick }
servers-joined =
    完了: このサーバー({ $server })を保管庫 { $vault } に登録しました
    次に: pfxvault backup --from { -source } --to { -stick }
access-headline =
    { $identities ->
        [0] これらの USB メモリには、保管庫を開く手段がありません
       *[other] 保管庫を開く手段: パスフレーズと鍵 { $identities } 件(どれか 1 つで開きます)
    }{ $others ->
        [0] {""}
       *[other] 。新しいバックアップを age で復号できる公開鍵: { $others } 件
    }
access-identity = { $id }: { $kind ->
        [passphrase] パスフレーズ
        [recovery-key] 復旧キー
        [age-key] age の鍵
        [ssh-key] SSH の鍵
        [plugin] age プラグインの鍵
        [shares] 分割した復旧キー
        [key] 復旧キー、分割した復旧キー、または age の鍵
       *[elsewhere] パスフレーズまたは鍵(これらの USB メモリにはありません)
    }。作成: { $made ->
        [none] ほかの場所
       *[day] { $made }({ $maker })
    }。このサーバーで最後に保管庫を開いた日: { $opened ->
        [none] なし
       *[day] { $opened }({ $opener })
    }{ $replaced ->
        [none] {""}
       *[day] 。{ $replaced } に変更(引き続き保管庫を開けます)
    }
access-only-one =
    注意: 保管庫を開く手段はこの 1 つだけです。失うと、すべてのバックアップも失われます。
    もう 1 つ追加してください: pfxvault access add recovery-key --to { -stick }
access-only-memory =
    注意: 保管庫を開く手段はパスフレーズだけです。覚えている人がいなくなる場合に備え、復旧キーを紙に残してください:
      pfxvault access add recovery-key --to { -stick }
access-only-person = 参考: このサーバーで保管庫を開いたことがあるのは { $who } だけです。別の担当者も復元を試してください: pfxvault drill --from { -stick }
access-key = { $key }: 新しいバックアップをすべて age で復号できます
access-retired = { $key }: 新しいバックアップは復号できません(以前のバックアップは復号できます)
access-added =
    完了: 保管庫を開く手段を { $medium } に追加しました。これまでの手段も引き続き使えます
    新しい手段で、以前のものを含むすべてのバックアップを開けます。
    次に: ほかのメディアも最新にしてください: pfxvault copy --from { $medium } --to { -second-stick }
change-what-it-does =
    これから新しいパスフレーズを作ります。USB メモリからは何も削除されないため、以前のパスフレーズでも開けるままです。
    入力しやすいもの、覚えやすいものに変える場合や、忘れた場合は、これで十分です。
change-trying = 新しいパスフレーズで USB メモリの保管庫を開けるか確認しています。数秒かかります。
change-done =
    完了: 新しいパスフレーズで { $medium } の保管庫を開けることを確認しました。以前のものを含むすべてのバックアップを開けます
    次に: ほかのメディアも最新にしてください: pfxvault copy --from { $medium } --to { -second-stick }
change-old-still-opens =
    注意: 以前のパスフレーズでも、この USB メモリ、ほかの USB メモリ、それらのコピーはすべて開けるままです。このサーバーで数えなくなるだけです。
    知られてはならない人に知られた場合は、新しい保管庫を作ってバックアップし、古い USB メモリを破棄してください:
      pfxvault create { -second-stick } --replace
    その人が USB メモリを手に入れたおそれがある場合は、すべての証明書の再発行も必要です。
change-others-still-open =
    注意: これまでのパスフレーズでも、この USB メモリ、ほかの USB メモリ、それらのコピーはすべて開けるままです。
    知られてはならない人に知られた場合は、新しい保管庫を作ってバックアップし、古い USB メモリを破棄してください:
      pfxvault create { -second-stick } --replace
    その人が USB メモリを手に入れたおそれがある場合は、すべての証明書の再発行も必要です。
access-key-added =
    完了: 公開鍵を { $medium } に追加しました。これ以降のバックアップのファイルは、対応する秘密鍵を使って age で復号できます
    ただし、この鍵で pfxvault の保管庫を開くこと(復元など)はできず、追加前のバックアップも復号できません。
    手作業で復旧するときは README.TXT に従いますが、署名の検証には保管庫のフィンガープリントの控えが必要です: { $vault }
    次に: ほかのメディアも最新にしてください: pfxvault copy --from { $medium } --to { -second-stick }
copy-done =
    完了: { $medium } を最新にしました({ $added ->
        [0] 不足はありませんでした
       *[other] { $added } 個の世代を追加し、読み戻して照合しました
    }。{ $kept } 個の世代はすでにありました)
copy-skipped =
    注意: 世代 { $generation } はコピーしていません。--from に指定したメディアには、完全なものがありません。
    別の USB メモリも指定してください: pfxvault copy --from { -stick } --from { -second-stick } --to { -third-stick }

## Verify

verify-good =
    OK: { $count ->
        [0] 保管庫にはまだ世代がありません
       *[other] { $count } 個の世代がすべて完全です
    }。メディアから直接すべて読み直し、署名も正しいことを確認しました({ $size })
verify-at-rest =
    OK: { $count ->
        [0] 保管庫にはまだ世代がありません
       *[other] { $count } 個の世代が完全です
    }。メディアから直接読み直しました({ $size })。保留にした { $rested } 件のほかに、注意が必要な点はありません
verify-attention =
    要確認: { $count ->
        [0] 完全な世代はありません
       *[other] { $count } 個の世代が完全で、復元できます
    }。注意が必要な点は次のとおりです
verify-forged =
    要確認: { $count ->
        [0] 完全な世代はありません。また
       *[other] { $count } 個の世代が完全で、復元できます。ただし
    }、登録サーバー以外が書き込んだものがメディアにあります。これは使われません
verify-lost =
    破損あり: { $count ->
        [0] 完全な世代はありません
       *[other] { $count } 個の世代が完全で、復元できます
    }。指定されたメディアだけでは復元できないものがあります
verify-newest = サーバー { $server } の完全な世代のうち最新のもの: 第 { $number } 世代

## Verify: what is found

found-not-pinned =
    参考: このコンピューターにこの保管庫の記録がないため、正しい保管庫かどうかは確認できていません。
    次のフィンガープリントが封筒の控えと同じか確認してください: { $vault }
found-copy-bad =
    注意: { $medium } の { $path } は、2 つのコピーのうち 1 つが破損しています。正常なコピーがあります: { $good }
    まだ何も失われていません。早めに USB メモリを交換してください: pfxvault copy --from { $medium } --to { -second-stick }
found-record-bad =
    注意: 世代 { $generation } のコピーの 1 つが破損しています({ $path })。もう 1 つのコピーは正常です。
    まだ何も失われていません。早めに USB メモリを交換してください: pfxvault copy --from { -stick } --to { -second-stick }
found-one-copy =
    注意: { $medium } には、世代 { $generation } の 2 つのコピーのうち 1 つしかありません
    まだ何も失われていません。もう 1 つのコピーを追加してください: pfxvault copy --from { $medium } --to { $medium }
found-owner-one-copy =
    注意: { $medium } に { $path } がありません。登録サーバーと「保管庫を開く手段」の一覧の一部で、2 つのコピーのうち 1 つだけが残っています。
    まだ何も失われていません。このメディアへの次のバックアップで追加されます。次のコマンドでも追加できます: pfxvault copy --from { $medium } --to { $medium }
found-owner-copy-bad =
    注意: { $medium } の { $path } が破損しています。登録サーバーと「保管庫を開く手段」の一覧の一部です。
    まだ何も失われていません。正常なコピーは { $from } の { $good } です。
    このメディアへの次のバックアップで書き直されます。次のコマンドでも書き直せます: pfxvault copy --from { $from } --to { $medium }
found-owner-remembered =
    注意: { $medium } の { $path } が破損しています。登録サーバーと「保管庫を開く手段」の一覧の一部です。
    指定されたメディアに正常なコピーはありませんが、このサーバーに内容の記録があります。このメディアへの次のバックアップで書き直されます。
    早めにバックアップを取ってください。それまでは、ほかのコンピューターではこのメディアからすべてを復元できません。
found-mended = 参考: 破損または不足しているもののうち、正常なコピーがあるものは書き直します。
found-file-lost =
    注意: 世代 { $generation } の { $file } は、指定されたメディアに正常なコピーがありません。この世代は一部を復元できません。
    ほかの USB メモリとあわせて検証してください: pfxvault verify { -stick } { -second-stick }
    どの USB メモリにもなく、サーバーが動いている場合は、すぐに新しい USB メモリにバックアップしてください: pfxvault backup --to { -third-stick }
found-damaged =
    注意: 世代 { $generation } は破損しており、指定されたメディアからは復元できません。
    ほかの USB メモリとあわせて検証してください: pfxvault verify { -stick } { -second-stick }
    サーバーが動いている場合は、すぐに新しい USB メモリにバックアップしてください: pfxvault backup --to { -third-stick }
found-unfinished =
    注意: 世代 { $generation } のバックアップは途中で終わっています(USB メモリを早く抜いた可能性があります)。
    この世代は使われません。それより前の世代は有効です。バックアップをもう一度実行してください。
found-newer-elsewhere =
    注意: ここにあるものより新しい世代 { $generation } が、指定されていないメディアにあります。
    その USB メモリを探すか、この USB メモリに新しくバックアップしてください。
found-overdue =
    注意: 次のバックアップまたは検証の期限({ $due })を過ぎています(世代 { $generation })。
    その後に証明書を更新している可能性があります。新しくバックアップしてください。
found-foreign =
    注意: { $path }(世代 { $generation } と称するもの)は、この保管庫に書き込めるサーバーが作成したものではありません。
    復元に使われることはなく、登録サーバーが作成したバックアップに影響はありません。
    この USB メモリを誰が扱ったか確認し、わかるまで別に保管してください。
found-not-admitted =
    注意: { $path }(世代 { $generation } と称するもの)は、ここにある登録サーバーの一覧にないサーバーのものです。有効とはみなさず、復元もしません。
    登録サーバーの一覧の一部が、ここでは破損しているか不足している可能性があります。ほかの USB メモリとあわせて検証してください: pfxvault verify { -stick } { -second-stick }
    どのメディアの一覧にもない場合は、第三者が置いたものです。この USB メモリを誰が扱ったかわかるまで、別に保管してください。
found-closed =
    注意: サーバー { $server } の世代が { $count } 個ありますが、保管庫の管理責任者がこのサーバーの登録を終了しているため、有効とはみなさず、復元もしません。
    作成された経緯がわからない場合は、この USB メモリを誰が扱ったか確認してください。
found-bad-statement =
    注意: 登録サーバーと「保管庫を開く手段」の一覧のうち { $count } 件は、この保管庫の管理責任者が作成したものではありません。この内容は使われません。
    ファイルの破損か、第三者が置いた可能性があります。別の USB メモリと比べ、この USB メモリを誰が扱ったか確認してください。
found-statement-damaged =
    注意: { $medium } の { $path }{ $more ->
        [0] {""}
       *[other] (ほか { $more } 件)
    }が破損していて、正常なコピーが見つかりません。有効なサーバーや「保管庫を開く手段」を定めたファイルです。
    このファイルだけで登録されているサーバーのバックアップは、使えません。同じ保管庫の別の USB メモリにあるかもしれないので、あわせて指定してください。
    そこから書き直すには: pfxvault copy --from { -second-stick } --to { $medium }
found-statement-lost =
    注意: { $medium } には、登録サーバーと「保管庫を開く手段」の一覧のうち、そこにあるバックアップに必要な部分がありません。
    内容は別の USB メモリまたはこのサーバーに記録されています。このメディアへの次のバックアップで書き直されます。
    早めにバックアップを取ってください。それまでは、ほかのコンピューターではこのメディアからすべてを復元できません。
found-fork =
    注意: サーバー { $server } の第 { $number } 世代として、内容の異なるバックアップが 2 つあります。どちらも残っています。
    ディスク イメージや仮想マシンのチェックポイントなどでサーバーを以前の状態に戻し、その後にバックアップすると起こります。
    新しくバックアップしてください。別の番号が付きます。
found-contradiction =
    注意: 世代 { $generation } は、ここにある 1 つ前の世代の続きではありません。
    サーバーを以前の状態に戻した場合や、USB メモリを古い複製と取り替えた場合に起こります。
    どちらも残っています。新しくバックアップし、古い世代から復元する前に pfxvault contents で内容を確認してください。
found-rolled-back =
    注意: USB メモリ「{ $label }」の内容が以前より古くなっています。サーバー { $server } の第 { $known } 世代があったはずですが、{ $here ->
        [0] 完全な世代が 1 つもありません
       *[other] 現在の最新は第 { $here } 世代です
    }。
    ファイルが失われたか、古い複製と取り替えられています。最新の内容とは考えず、別の USB メモリを使うか、新しくバックアップしてください。
found-out-of-use = USB メモリ { $label } は { $since } に使用終了とされたため、バックアップとして数えません。また使う場合: pfxvault media retire "{ $label }" --undo
found-not-by-this-state =
    注意: 世代 { $generation } にはこのサーバーの鍵による署名がありますが、このサーバーには作成した記録がありません。
    多くの場合、仮想マシンのチェックポイントなどでサーバーを以前の状態に戻したことが原因です。そのまま続けてください。次のバックアップには新しい番号が付きます。
    複製したサーバーが別の場所で動いている場合は、どちらか一方を登録し直してください: pfxvault servers join { -stick } --state { -disk }pfxvault-new
    どちらでもない場合は鍵が第三者に渡った可能性があります。同じコマンドで、このサーバーを登録し直してください。
found-copies-older =
    注意: { $newer } と { $older } は、どちらもラベルが「{ $label }」です。一方が他方の複製であり、合わせて 1 本と数えます。
    新しいのは { $newer } です。こちらを使ってください。もう一方は pfxvault copy --from { $newer } --to { $older } で最新にし、
    pfxvault media add { $older } で独立した USB メモリにしてください。
found-copies-same =
    注意: { $one } と { $other } は、どちらもラベルが「{ $label }」です。一方が他方の複製であり、合わせて 1 本と数えます。
    新旧の差はありません。一方を独立した USB メモリにしてください: pfxvault media add { $other }
found-copies-apart =
    注意: { $one } と { $other } は、どちらもラベルが「{ $label }」です。一方が他方の複製として作られたもので、合わせて 1 本と数えます。
    それぞれに、もう一方にないバックアップがあります。両方を最新にしてください: pfxvault copy --from { $one } --to { $other }、続けて逆方向にも実行してください。
    その後、一方を独立した USB メモリにしてください: pfxvault media add { $other }
found-other-device =
    注意: { $medium } のラベルは「{ $label }」ですが、前回このラベルで使われていたのは別のデバイスまたはファイル システムです。
    前回: { $before }
    今回: { $now }
    カードを別のリーダーに挿した場合や、ファイルを新しい USB メモリにコピーした場合にこうなります。心当たりがなければ、誰の手にあったかを確認し、内容を別の USB メモリと比べてください。
    複製であり、両方を使い続ける場合は、独立した USB メモリにしてください: pfxvault media add { $medium }
found-known-device =
    参考: USB メモリ「{ $label }」({ $medium })は、以前に使われていたデバイスに戻っています: { $now }
    前回は { $before } でした。
found-alternating =
    参考: USB メモリ「{ $label }」は、{ $one } と { $other } で交互に使われています。
    1 枚のカードを 2 台のリーダーで使っているか、同じラベルの USB メモリが 2 本あり、1 本と数えられています。2 本ある場合は複製を挿して実行してください: pfxvault media add { -stick }
found-replaced =
    注意: USB メモリ「{ $label }」は、「{ $other }」を使い始めてから一度も接続されていません。両者のシリアル番号は同じです。
    「{ $other }」が「{ $label }」をフォーマットし直したものであれば、「{ $label }」の内容は失われています: pfxvault media retire "{ $label }"
    両方が手元にある場合は、「{ $label }」を挿して検証してください: pfxvault verify { -stick }
found-same-label =
    参考: { $medium } のラベルは「{ $label }」で、このサーバーに記録のある別の USB メモリと同じです。
    取り違えないように、両方に目印を付けてください。
found-remade =
    注意: { $medium }({ $device })は、前回は USB メモリ「{ $label }」でしたが、今は空か、別の USB メモリになっています。
    フォーマットや書き換えをした場合、「{ $label }」の内容は失われています: pfxvault media retire "{ $label }"
    「{ $label }」が別に手元にある場合は問題ありません。同じ製品の USB メモリや、同じリーダーで読むカードは、シリアル番号が同じになることがあります。
found-statement-missing =
    注意: 登録サーバーと「保管庫を開く手段」の一覧が、このメディアではそろっていません。
    ほかのメディアより古い可能性があります。最新にしてください: pfxvault copy --from { -stick } --to { -second-stick }
found-identity-missing =
    注意: パスフレーズまたは復旧キー { $count } 件分の情報がこのメディアにありません。その手段では、ここから保管庫を開けません。
    別の USB メモリの内容で最新にしてください: pfxvault copy --from { -stick } --to { -second-stick }
found-identity-lost =
    注意: { $medium } からは、パスフレーズまたは復旧キー { $count } 件で保管庫を開けなくなっています。PFXVAULT/A/OWNER と PFXVAULT/B/OWNER のファイルが両方とも、ないか破損しています。
    このサーバーが記録していれば、このメディアへの次のバックアップで書き直されます。別の USB メモリにあれば、次のコマンドで書き直せます: pfxvault copy --from { -second-stick } --to { $medium }
found-identity-unknown =
    注意: { $medium } の { $path } は、保管庫の管理責任者が認めていないパスフレーズまたは復旧キーの情報です。
    追加の途中で中断したか、認められたものが破損した可能性があります。どちらでもない場合は、この USB メモリを誰が扱ったか確認してください。
found-newer =
    注意: { $path } は新しいバージョンの pfxvault で作成されています。破損ではありませんが、このバージョンでは読み取れません。
    新しいバージョンを使ってください。
found-newer-statement =
    注意: 登録サーバーと「保管庫を開く手段」の一覧の一部は、新しいバージョンの pfxvault で作成されています。新しいバージョンを使ってください。
found-readme =
    注意: { $medium } の README.TXT がないか、pfxvault が作成したものではありません。書かれている指示には従わないでください。
    このメディアへの次のバックアップまたはコピーで書き直されます。心当たりがない場合は、この USB メモリを誰が扱ったか確認してください。
found-readme-old =
    参考: { $medium } の README.TXT は、以前のバージョンの pfxvault のものです。Windows 用の行は入力しないでください。第三者がメディアに置いたプログラムが動くおそれがあります。
    このメディアへの次のバックアップまたはコピーで書き直されます。
found-program =
    注意: { $medium } の { $path } は保管庫のファイルではなく、プログラムとして実行できます。pfxvault が実行することはありません。
    開かないでください。この USB メモリを誰が扱ったか確認してから、このファイルを削除してください。
found-unsearched =
    注意: { $medium } の { $path } は保管庫のフォルダーではなく、ファイルが多すぎるか階層が深すぎるため、一部しか調べていません。プログラムが含まれているおそれがあります。
    中のものを開かないでください。この USB メモリを誰が扱ったか確認してから、このフォルダーを削除してください。
found-crowded =
    注意: { $medium } には調べられる量を超えるファイルやフォルダーがあり、{ $path } 以降の { $count } 件は調べていません。
    通常の場所にあるバックアップは先に調べましたが、それ以外に見落としがあるかもしれません。自然にこうなることはありません。この USB メモリを誰が扱ったか確認してください。
    正常なものを新しい USB メモリにコピーしてください: pfxvault copy --from { $medium } --to { -second-stick }
found-unread =
    注意: { $medium } では、破損したファイルの場所に大きなファイルが多数置かれているため、一部を読んでいません。失われたと表示したファイルが、その中に残っているかもしれません。
    自然にこうなることはありません。この USB メモリを誰が扱ったか確認してください。正常なものを新しい USB メモリにコピーしてください: pfxvault copy --from { $medium } --to { -second-stick }
found-more =
    { $first }
    同様のものがほかに { $count } 件あります(表示を省略しています)。
found-unexpected = 参考: { $medium } の { $path } は保管庫のファイルではありません。触れずにそのまま残します。

## What must be heard before a restore

doubt-damaged =
    注意: 第 { $number } 世代はここでは破損しています。それより前に完全な世代があればそれを、なければ残っている部分を使います。
    別の USB メモリに完全なものがあるかもしれません。その USB メモリも --from で指定してください。
doubt-unfinished =
    注意: より新しい第 { $number } 世代は書き込みが途中で終わっているため、それより前の世代を使います。
    別の USB メモリに完全なものがあるかもしれません。その USB メモリも --from で指定してください。
doubt-foreign =
    注意: より新しい第 { $number } 世代は、この保管庫に書き込めるサーバーが作成したものではないため、使いません。
    この USB メモリを誰が扱ったか確認してください。
doubt-two-of-a-number =
    注意: 第 { $number } 世代として、内容の異なるバックアップが 2 つあります。サーバーを以前の状態に戻し、その後にバックアップすると起こります。
    使う前に、名前と有効期限を pfxvault contents で確認してください。
doubt-statement-missing =
    注意: 登録サーバーと「保管庫を開く手段」の一覧がこのメディアではそろっていないため、ほかのメディアより古い可能性があります。
    選べる場合は、最も新しい USB メモリを使ってください。
doubt-not-admitted =
    注意: ここにある登録サーバーの一覧にないサーバーの世代が { $count } 個あります。これらは使いません。一覧の一部が破損しているか不足しているか、第三者が置いたものです。
    別の USB メモリに一覧がそろっている可能性があります。--from であわせて指定してください。破損の有無を調べるには: pfxvault verify { -stick }
doubt-another-vault =
    注意: { $medium } は別の保管庫のメディアのため、使いません。
    そのフィンガープリントは { $vault }、開いた保管庫は { $ours } です。
stick-of-another-vault =
    注意: { $medium } はこのサーバーとは別の保管庫のメディアです。その保管庫のパスフレーズが必要です。
    そのフィンガープリントは { $vault }、このサーバーの保管庫は { $ours } です。
doubt-key-pair-damaged =
    注意: { $name } のキーペア(第 { $number } 世代)は、ここにあるコピーがすべて破損しています。
    別の USB メモリに完全なものがあるかもしれません。その USB メモリも --from で指定してください。
counts-older =
    { $count } 組のキーペアは以前のバックアップのもので、最新(第 { $number } 世代)には含まれていません:
    { $names }
names-in-generation = 第 { $number } 世代: { $names }
not-here =
    注意: { $name }(有効期限 { $end })はこのバックアップに含まれますが、指定されたメディアにはありません。第 { $numbers } 世代にあります。
    その世代がある USB メモリも --from で指定してください。どこにも残っていない場合は、使用中のサーバーでもう一度バックアップしてください。
not-here-but-on =
    注意: { $name }(有効期限 { $end })はこのバックアップに含まれますが、指定されたメディアにはありません。第 { $numbers } 世代にあり、{ $media } に保存されています。
    その USB メモリを挿し、--from であわせて指定してください。
no-more =
    次の { $count } 組は更新済み、期限切れ、または除外済みのため、復元しません。それでも復元する場合は、拇印を省略せずに全桁で指定してください(pfxvault contents --json で確認できます)。除外したものには --retired も必要です。
    { $names }
no-more-renewed = { $name }({ $thumbprint }、有効期限 { $end }、第 { $number } 世代): { $by } に更新済み
no-more-ended = { $name }({ $thumbprint }、第 { $number } 世代): { $end } に期限切れ
no-more-retired = { $name }({ $thumbprint }、有効期限 { $end }、第 { $number } 世代): { $day } に { $by } が復元対象から除外({ $reason })
retired-leaked = 鍵が他人に渡ったおそれがあります
retired-revoked = 証明書が失効しています
retired-removed = もう使っていません
retired-lost = どの USB メモリにも残っていません
retired-otherwise = { $reason }
doubt-state-unread =
    注意: このコンピューターの管理情報を読み取れませんでした: { $reason }
    ほかのメディアにより新しいバックアップがあるかどうかは確認していません。
state-not-noted =
    注意: 結果をこのコンピューターの管理情報に記録できませんでした: { $reason }
doubt-newer-elsewhere =
    注意: 指定されていないメディアに、このサーバーのより新しいバックアップがあります。
    その USB メモリがあれば、そちらを使うか、--from であわせて指定してください。
doubt-other-name =
    注意: 第 { $number } 世代で、{ $server } の名前は { $name } になっています。これは登録時に保管庫の管理責任者が認めた名前ではありません。
    鍵を持つ第三者が、別のサーバーに見せかけようとしている可能性があります。ID { $server } で判断し、そのサーバーの管理者に確認してください。
    名前が正しい場合は、そのサーバーで実行してください: pfxvault servers rename 名前 --to { -stick }
doubt-said-newer =
    注意: サーバー { $witness } の { $day } の記録によると、このサーバーには第 { $number } 世代がありました。ここで最も新しいのは第 { $here } 世代です。
    USB メモリが古い状態に戻された可能性があります。その世代がある USB メモリを探し、--from であわせて指定してください。
doubt-said-retired = 注意: サーバー { $witness } の { $day } の記録では、{ $name }({ $thumbprint })はもう使わないものとされています({ $reason })。別のサーバーの記録なので、除外はしていません。正しい場合: pfxvault retire { $name } --reason 理由 --server サーバー --to { -stick }
doubt-owner-retired = 注意: 保管庫の管理責任者は { $day } に { $name }({ $thumbprint }、{ $reason })を除外しましたが、対象はサーバー { $server } だけです。このサーバーでも除外する場合: pfxvault retire { $name } --reason 理由 --server サーバー --to { -stick }
doubt-owners-word-unread = 注意: 保管庫の管理責任者がこのサーバーのキーペアを除外していますが、その記録をここでは開けないため、どれかわかりません
clock-behind-backup = このコンピューターの時計は { $clock } ですが、最新のバックアップは { $backup } に作成されています。経過日数や有効期限を正しく判断できないため、時計を合わせてください
clock-behind-release = このコンピューターの時計は { $clock } ですが、この pfxvault は { $released } に公開されたものです。経過日数や有効期限を正しく判断できないため、時計を合わせてください
clock-ahead = このコンピューターの時計は { $clock } で、ここに記録のある最後の日({ $last })から何年も経っています。間違っていれば、経過日数や有効期限を正しく判断できないため、時計を合わせてください
doubt-overdue =
    注意: 第 { $number } 世代は次のバックアップの期限({ $due })を過ぎています。その後に証明書を更新している可能性があります。
    より新しい USB メモリを探し、有効期限を現在使っている証明書と比べてください。

## What is going on

progress-sealing = { $count } 組のキーペアを取り出し、照合し、暗号化しています
progress-writing = 第 { $number } 世代を { $medium } に書き込み、読み戻して照合しています
progress-rereading = 以前の第 { $number } 世代を読み直しています
progress-copying = 世代 { $generation } をコピーしています

## Parts of sentences: why

os-full = 空き容量がありません
os-read-only = 書き込みが禁止されています
os-denied = アクセスが拒否されました
os-not-found = 見つかりません
os-exists = すでに存在します
os-not-a-folder = フォルダーではありません
os-is-a-folder = ファイルではなく、フォルダーかデバイスです
os-too-large = 大きすぎます
os-other = { $words }
reason-in-use = まだ何かが開いています。表示しているウィンドウやプログラムを閉じてください
reason-used-by = { $programs } が使用中です。先に終了してください
reason-beside = 同じデバイスの { $other } も使用中です
reason-built-in = 取り外せるデバイスではありません
reason-not-allowed = 管理者だけが実行できます
reason-medium = { $path }: { $reason }
reason-reads-back-other = { $path } を読み戻すと、書き込んだ内容と一致しません
reason-wrong-password = パスワードが違います
reason-no-password = パスワードで保護されていますが、パスワードが指定されていません(--source-password-file ファイル、ファイルごとに異なる場合は --source-passwords ファイル)
reason-part-damaged = 中の証明書または鍵が途中で切れているか、破損しています
reason-key-encryption = 中の鍵は { $algorithm } で暗号化されており、読み取れません。次のコマンドで読み取れる形式に変換できます: openssl pkcs8 -topk8 -in OLD.key -out NEW.key
reason-key-store = pfxvault では読み取れない種類のキーストア({ $form })です。次のコマンドで PFX に変換できます: keytool -importkeystore -srcstoretype { $form } -srckeystore OLD -destkeystore NEW.p12 -deststoretype PKCS12
reason-pvk-encrypted = 中の鍵は、Microsoft の古い形式でパスワード保護されています。次のコマンドで読み取れる形式に変換できます: openssl rsa -inform PVK -in OLD.pvk -out NEW.key
reason-too-much-work = 開くのに時間がかかりすぎる設定になっています
reason-unsupported = { $algorithm } には対応していません
reason-malformed = 破損しているか、PFX ではありません
reason-not-read-back = 作成した PFX を正しく読み戻せません
reason-key-damaged = 秘密鍵が破損しています
reason-key-malformed = 中の秘密鍵を読み取れません
reason-key-unsupported = 秘密鍵が pfxvault の対応していない種類です: { $algorithm }
reason-key-locked = 秘密鍵のパスワードがファイルのパスワードと異なります。両方を同じパスワードにして、ファイルを保存し直してください
reason-certificate-unreadable = 中の証明書 { $count } 個のうち { $number } 番目を読み取れません
reason-certificate-malformed = 中の証明書を読み取れません
reason-key-not-known = 秘密鍵として読み取れません。{ $certificate } の証明書に対応する秘密鍵が見つからないため、その鍵の可能性があります。鍵を PEM、DER、PFX のいずれかの形式で置いてください
reason-no-certificate = 秘密鍵({ $key_type })に対応する証明書がありません
reason-no-mac = 改ざん検出用の情報がなく、変更されていないことを確認できません
reason-file-damaged = { $file } のコピーがすべて破損しています
reason-seal = { $file } を復号できません
reason-other-certificate = 中の証明書がバックアップの一覧と異なります
reason-without-key = バックアップに秘密鍵がありません
reason-without-key-then = バックアップに秘密鍵がありません。作成時の理由: { $reason }
tls-key-not-servable = このプログラムでは { $key_type } の鍵を TLS に使えません
tls-wrong-signature = 秘密鍵の署名を、その証明書で検証できません
tls-alert = 相手側が接続を終了しました: { $alert }
tls-bad-certificate = 提示された証明書は TLS に使えません
tls-incompatible = TLS のバージョンまたは暗号方式が相手側と一致しません
tls-no-tls = TLS ではない応答がありました
tls-failed = TLS 接続を確立できませんでした
reason-handshake = TLS 接続に失敗しました: { $detail }
seen-network = ネットワーク ドライブ({ $file_system })
seen-system-disk = システムが動いているディスク({ $file_system })
seen-memory = 再起動すると消えるメモリ上の領域({ $file_system })

## Errors: questions, secrets and files with secrets

error-output-lost = 結果を標準出力に書き込めませんでした: { $reason }
    .cause = リダイレクト先が、結果の一部しか、またはまったく受け付けませんでした
    .hint = コマンドが変更した内容はそのまま残っています。空き容量を作るか別の出力先を選び、"pfxvault status" で現在の状態を確認してください
error-unanswered = 対話できないため、確認できません: { $question }
    .cause = コンソール ウィンドウで実行していないか、入力やメッセージがリダイレクトされています
    .hint = --dry-run で実行計画を確認してから --yes を付けるか、コンソール ウィンドウで実行してください
error-no-terminal = 対話できないため、入力できません: { $question }
    .cause = コンソール ウィンドウで実行していないか、入力やメッセージがリダイレクトされています
    .hint = コンソール ウィンドウで実行するか、自分だけが読めるファイルに書いて指定してください: { $option } ファイル
error-no-answer = 入力が途中で終わり、回答がありませんでした
    .hint = コンソール ウィンドウでもう一度実行し、質問に答えてください
error-declined = 「いいえ」と回答されたため、中止しました
    .hint = 準備ができたら、同じコマンドをもう一度実行してください
error-nobody-to-show = 秘密の情報を表示する必要がありますが、表示できる画面がありません
    .cause = コンソール ウィンドウで実行していないか、入力やメッセージがリダイレクトされています
    .hint =
        リダイレクトせずに、コンソール ウィンドウで実行してください
        コンソールなしで保管庫を作る場合: pfxvault create { -stick } --passphrase-file ファイル --recovery-key-file 新しいファイル
error-secret-differs = 3 回とも入力が一致しませんでした
    .hint = Caps Lock、日本語入力、キーボード配列を確認し、同じコマンドをもう一度実行してください
error-secret-file-unreadable = { $path } を読み取れません
    .cause = { $reason }
    .hint = パスと、ファイルの読み取り権限を確認してください
error-secret-file-shared = { $path } はほかの人も読めるため、秘密のファイルとして使えません
    .hint =
        自分だけが読めるように設定し、同じコマンドをもう一度実行してください
        Windows: icacls "{ $path }" /inheritance:r /grant:r "%USERNAME%":R
        Linux: chmod 600 "{ $path }"
error-secret-file-encoding = { $path } の 1 行目は UTF-8 または UTF-16 のテキストではありません
    .hint = メモ帳で開き、文字コードに UTF-8 を選んで保存し直してください
error-empty-secret-file = { $path } の 1 行目が空です
    .hint = ファイルの 1 行目にパスフレーズまたはパスワードを書いてください
error-no-pfx-password = PFX にはパスワードが必要です
    .hint = コンソール ウィンドウで実行して入力するか、ファイルで指定してください: --pfx-password-file ファイル
error-not-all-tried = 保管庫を開く手段のうち、まだ試していないものがあります
    .cause = このメディアには、通常の保管庫より多くの手段があるか、確認に時間のかかる手段があります
    .hint =
        パスフレーズが違うとは限りません
        同じ保管庫の別の USB メモリを使うか、続けるかどうかの質問に「はい」と答えてください
error-unfit-passphrase = { $path } のパスフレーズは、新しいパスフレーズとして使えません
    .cause = { $reason }
    .hint = ファイルの 1 行目に別のパスフレーズを書くか、この指定を外して実行し、画面の案内に従って決めてください
error-wrong-passphrase = このパスフレーズでは { $medium } の保管庫を開けません
    .again =
        もう一度入力してください。
        Caps Lock、日本語入力(半角か)、キーボード配列に注意してください。
    .hint =
        同じコマンドをもう一度実行してください。
        パスフレーズは、入力を求められてから入力してください。
        Caps Lock、日本語入力(半角か)、キーボード配列に注意してください。
        自動生成された単語は小文字で、空白 1 つで区切ります。
        忘れた場合は封筒の復旧キーを使います(--recovery-key を付けて実行)。
        稼働中のサーバーの証明書には影響ありません。
        開く手段がもうない場合は、サーバーにキーペアがあるうちに新しい保管庫を作ってください:
        pfxvault create { -second-stick } --replace
error-wrong-recovery-key = この復旧キーでは { $medium } の保管庫を開けません
    .cause = 入力は正しいものの、別の保管庫の復旧キーか、このメディアを最後に更新した後に追加されたものです
    .again =
        入力は正しいものの、別の保管庫の復旧キーか、このメディアを最後に更新した後に
        追加されたものです。
        この保管庫の封筒を探して、その復旧キーを入力してください。
    .hint =
        この保管庫の封筒か別の USB メモリを用意して、同じコマンドをもう一度実行して
        ください。または --recovery-key を外して実行し、パスフレーズを入力してください。
error-recovery-key-typo = 復旧キーとして読み取れません。文字の間違いか不足があります
    .again =
        紙のグループをすべて、AGE-SECRET-KEY-1 から順に、もう一度入力してください。
        その後に、数字の 1 と文字の B、I、O が使われることはありません。
    .hint =
        同じコマンドをもう一度実行し、入力を求められてから、紙のグループをすべて、
        AGE-SECRET-KEY-1 から順に入力してください。
        その後に、数字の 1 と文字の B、I、O が使われることはありません。
error-shares-typo = 分割キーとして読み取れません。単語の間違いか不足があります
    .hint = もう一度実行して、それぞれの紙のすべての行を入力してください。ファイルがある場合は --share-file で指定できます
error-shares-unfit = それぞれの単語は正しいのに、これらの分割キーからは復旧キーが得られません
    .cause = 作成後に内容が変えられたものが含まれています
    .hint = 1 つずつ別の分割キーに替えて、合わないものを見つけてください
error-shares-missing = 分割キーがあと { $missing } 個必要です(指定されたのは { $given } 個)
    .hint = それぞれ --share-file ファイル で指定してください。入力する場合: --shares
error-share-typo = { $path } は分割キーとして読み取れません
    .cause = { $reason }
    .hint = ファイルを紙と 1 行ずつ(3 語で 1 行)見比べてください
error-share-foreign = { $path } の分割キーは、先に指定されたものと組になりません
    .cause = 別の組か、別の保管庫のものです
    .hint = 同じ組の分割キーを指定してください。1 組の分割キーは、どれも同じ 2 語で始まります
error-share-double = { $path } は分割キー { $number } で、すでに指定されています
    .hint = 別の封筒の分割キーを指定してください
error-envelope-of-other-vault = この紙は保管庫 { $vault } のもので、この USB メモリまたはサーバーの保管庫は { $ours } です
    .cause = 封筒を取り違えたか、以前の保管庫の紙です
    .hint = この保管庫の封筒を探すか、紙に書かれた保管庫の USB メモリを接続してください
error-no-share = { $path } は別の紙で、分割キーではありません
    .hint = 復旧キーは --recovery-key-file ファイル で指定します。復旧手順書に秘密は含まれません
error-share-is-no-key = { $path } は分割キーの 1 つで、それだけでは開けません
    .hint = 必要な数の分割キーを指定してください: --share-file ファイル --share-file ファイル(入力する場合: --shares)
error-wrong-shares = これらの分割キーから得た復旧キーでは { $medium } の保管庫を開けません
    .cause = 別の保管庫のものか、このメディアを最後に最新にした後で追加されたものです
    .hint = この保管庫の封筒を探すか、別の USB メモリで、もう一度実行してください
error-share-counts = { $way } は分割の指定として正しくありません
    .cause = 分割する数 N は 2 から { $most } まで、開くのに必要な数 K は 2 以上 N 以下です
    .hint = shares:K/N の形で指定してください。例: 3 個に分割し、どの 2 個でも開けるようにする: pfxvault access add shares:2/3 --to { -stick }
error-share-files = 分割キー { $count } 個に対して、ファイルが { $given } 個指定されています
    .hint = --new-share-file ファイル を分割する数だけ指定してください。指定しない場合は、1 つずつ画面に表示します
error-recovery-key-in-file = { $row ->
        [0] { $path } の復旧キーは、複数の文字が違うか、不足しています
       *[row] { $path } の復旧キーは、{ $row } 行目に間違いがあります
    }
    .hint =
        ファイルを紙と 1 行ずつ(6 文字で 1 行)見比べてください。AGE-SECRET-KEY-1 より後ろに、
        数字の 1 と英字の B、I、O は使われません。
error-recovery-key-file = 復旧キーを { $path } に書き込めません
    .cause = { $reason }
    .hint = 書き込み権限のあるフォルダーで、まだ存在しないファイル名を指定してください: { $option } 新しいファイル
error-man-pages = マニュアル ページを { $path } に書き込めません
    .cause = { $reason }
    .hint = 書き込み権限のあるフォルダーを指定してください: pfxvault man フォルダー
error-no-age-key = { $path } に、pfxvault で使える age の鍵がありません
    .cause = # で始まらない最初の行が AGE-SECRET-KEY-1... でも AGE-PLUGIN-... でもなく、SSH の秘密鍵でもありません
    .hint = age-keygen、プラグイン、または ssh-keygen で作成したファイルを指定するか、パスフレーズまたは復旧キーで開いてください
error-ssh-rsa = { $name } 形式の鍵では保管庫を開けません
    .cause = 復号にかかる時間から、鍵を推測されるおそれがあります(RUSTSEC-2023-0071)
    .hint = { $taken } 形式の鍵を使ってください。作成するには: { $make }
error-ssh-algorithm = { $name } 形式の鍵では保管庫を開けません
    .cause = SSH の鍵のうち age が扱えるのは { $taken } と RSA だけで、pfxvault が扱えるのは前者だけです
    .hint = { $taken } 形式の鍵を使ってください。作成するには: { $make }
error-ssh-encrypted = { $path } の SSH の鍵は、鍵自身のパスフレーズで保護されています
    .cause = pfxvault が読み取れるのは、保護されていない鍵だけです
    .hint =
        自分だけが読み取れる場所にコピーを作り、コピーからパスフレーズを外してください:
          { $line } コピー
        コピーを --age-key-file で指定し、使い終わったら削除してください。
error-ssh-unread = SSH の鍵として読み取れません: { $what }
    .hint = .pub で終わるファイルの行全体を引用符で囲んで指定するか、ssh-keygen が作成した秘密鍵のファイルを指定してください
error-decrypt-only = --decrypt-only で追加できるのは age の公開鍵(age1...)だけです
    .hint = このオプションを外すと、保管庫を開く手段として追加します
error-change-same = 以前と同じパスフレーズのため、何も変更しませんでした
    .hint = 別のパスフレーズを選んでください。以前のパスフレーズで開けるままです
error-change-untried = 新しいパスフレーズを { $medium } に書き込みましたが、読み戻すと保管庫を開けません
    .cause = USB メモリが故障しかけている可能性があります
    .hint = 以前のパスフレーズを使い続けてください。USB メモリを検証し(pfxvault verify { $medium })、別の USB メモリを pfxvault copy で最新にしてください
error-not-wrapped = 保管庫を鍵 { $way } で開けるようにできませんでした
    .cause = age プラグインが処理を完了しませんでした
    .hint = プラグインの表示を確認し、age でその鍵を使えるか試してから、もう一度実行してください
error-plugin-missing = age プラグイン { $program } が、このコンピューターの PATH のフォルダーにありません
    .hint = このコンピューターにインストールし、コマンド { $program } が見つかることを確認してください。または別の手段で開いてください
error-plugin-place = { $path } にある age プラグイン { $program } は実行しませんでした
    .cause = USB メモリの中、または現在のフォルダーによって変わる場所にあるため、別のプログラムに置き換えられるおそれがあります
    .hint = PATH にあり、管理者だけが書き込めるフォルダーに、プラグインをインストールしてください
error-plugin-debug = 環境変数 { $variable } が設定されているため、age プラグインを実行しません
    .cause = プラグインが取り出した鍵が画面に表示されます
    .hint = 環境変数を削除してから、もう一度実行してください
error-wrong-age-key = { $path } の age の鍵では保管庫を開けません
    .hint = この鍵を追加した後に書き込んだ USB メモリで試すか、別の手段で保管庫を開いて追加してください: pfxvault access add age1... --to { -stick }
error-key-of-other-vault = この復旧キーは保管庫 { $said } のものですが、実際に開いたのは { $vault } です
    .cause = 別の保管庫にすり替えられているおそれがあります
    .hint = この USB メモリは使わないでください。同じ保管庫の別の USB メモリで試し、フィンガープリントを復旧手順書と照合してください
error-envelope-beside-vault = 復旧キーを { $path } に書き込みませんでした。その復旧キーで開く保管庫と同じメディアです
    .cause = ルール password-kept: USB メモリを拾った人が、鍵も手に入れてしまいます
    .hint =
        別の場所のファイルを指定し、印刷してから削除してください。
        それでも書き込む場合は、理由を指定してください: --accept password-kept=理由
error-envelope-needs-key = 封筒の紙を作るには復旧キーが必要です。復旧キーはどこにも保存されていません
    .hint =
        手元の復旧キーを使う: pfxvault sheet --envelope --recovery-key --to 新しいファイル.pdf
        新しく作る: pfxvault access add recovery-key --to { -stick } --new-recovery-key-file 新しいファイル.pdf
error-envelope-needs-file = 封筒の紙の書き込み先には、ファイルだけを指定できます
    .hint = 新しいファイルを指定してください: --to 新しいファイル.pdf
error-paper = { $path } を作成できません
    .cause = { $reason }
    .hint = 別の形式を指定してください: --to { $other }
error-paper-unwritten = { $path } に書き込めません
    .cause = { $reason }
    .hint = 書き込み権限のあるフォルダーで、まだ存在しないファイル名を指定してください
error-paper-unread = { $path } を読み取れません
    .cause = { $reason }
    .hint = pfxvault sheet で作成したテキスト、HTML、PDF のファイルか、スキャンした PNG、JPEG、PDF を指定してください
error-receipt = 記録を { $path } に書き込めません(復元訓練そのものは終わりました)
    .cause = { $reason }
    .hint = 書き込めるフォルダーに、新しいファイルの名前を指定してください
error-receipt-exists = { $path } にはすでにファイルがあります
    .hint = 記録には新しいファイルの名前を指定してください
error-stock-nothing = { $folder } にはバックアップのキーペアがなく、何も確認できませんでした
    .hint =
        README.TXT のコマンドでファイル(K0000001.pfx など)を作ったフォルダーを、ファイル名を変えずに
        指定してください。コマンドを表示するには: pfxvault drill --stock
error-stock-no-folder = README.TXT のコマンドは、USB メモリかフォルダーに対してだけ使えます
    .hint = 封緘ファイルではなく USB メモリを指定してください: pfxvault drill --stock --from { -stick }
error-no-paper = { $path } は pfxvault の復旧手順書または封筒の紙として読み取れません
    .cause = 該当する文字列も、読み取れる二次元コードもありません
    .hint =
        紙を平らに置き、グレースケール、300 dpi で、PNG、JPEG、または JPEG 画像の PDF としてスキャンしてください。
        入力で確認することもできます: pfxvault sheet --check(封筒は pfxvault sheet --check --envelope --recovery-key)
error-sheet-is-no-key = { $path } は復旧手順書で、鍵は含まれていません
    .hint = 復旧キーの封筒を使ってください
error-sheet-of-other-vault = この復旧手順書は、ここにある保管庫({ $ours })とは別の保管庫({ $vault })のものです
    .hint = この保管庫のフィンガープリントが書かれた復旧手順書を探すか、作り直してください: pfxvault sheet --to 新しいファイル.pdf

## Errors: the command line

error-usage = このオプションの組み合わせは指定できません: { $argument }
    .hint = 使える組み合わせは、pfxvault help に続けてコマンド名を入力し、確認してください(例: pfxvault help backup)
error-argument-not-utf8 = コマンドラインに UTF-8 でない文字があります
    .cause = EUC-JP や Shift_JIS などの文字コードで渡されましたが、名前とパスは UTF-8 で指定する必要があります
    .hint = 先にそのフォルダーへ移動して ASCII の名前で指定するか、名前を変更してください
error-idle-option = ここでは { $option } を指定しても何も変わりません
    .cause = { $only } と一緒に使う指定です
    .hint = 指定を外すか、使い方を確認してください: pfxvault help restore
error-unknown-command = { $command } というコマンドはありません
    .cause = { $like ->
        [none] {""}
       *[other] { $like } の入力間違いかもしれません
    }
    .hint = コマンドの一覧を確認してください: pfxvault help
error-unknown-argument = { $argument } はこのコマンドでは使えません
    .cause = { $like ->
        [none] {""}
       *[other] { $like } の入力間違いかもしれません
    }
    .hint = 使える指定は、pfxvault help に続けてコマンド名を入力し、確認してください(例: pfxvault help backup)
error-missing-argument = コマンドの指定が不足しています: { $argument }
    .hint = 必要な指定は、pfxvault help に続けてコマンド名を入力し、確認してください(例: pfxvault help backup)
error-invalid-value = { $argument } に「{ $value }」は指定できません
    .cause = { $like ->
        [none] 指定できる値: { $valid }
       *[other] { $like } の入力間違いかもしれません。指定できる値: { $valid }
    }
    .hint = 指定の方法は、pfxvault help に続けてコマンド名を入力し、確認してください(例: pfxvault help backup)
error-unknown-name = { $name } という名前のものはここにありません
    .hint = 一覧を確認し(ファイル: pfxvault list、保管庫: pfxvault contents)、そこにある名前か拇印を指定してください
error-no-more = { $name } という名前のキーペアは更新済みか期限切れのため、名前では復元されません
    .hint = それでも復元する場合は、拇印で指定してください: { $thumbprints }
error-not-here = { $name } はこのバックアップの第 { $numbers } 世代にありますが、指定された USB メモリにその世代がありません
    .cause = { $media }
    .hint = その世代がある USB メモリを挿し、--from であわせて指定してください
not-here-on = このサーバーの記録では { $media } にあります
not-here-nobody-knows = どの USB メモリにあるか、このコンピューターの記録にはありません
error-two-of-a-number = 第 { $number } 世代として、内容の異なるバックアップが 2 つあります
    .cause = サーバーを以前の状態に戻し、その後にバックアップすると起こります
    .hint = どちらかを --generation で指定してください: { $names }。先に内容を確認する場合は、pfxvault contents に同じ指定を付けます
error-retired = { $name } は復元対象から除外されています: { $reason }
    .hint = それでも復元する場合は、同じ行に --retired を付けてください。除外を取り消すには、そのサーバーで: pfxvault retire { $name } --undo
error-retire-unknown = このサーバーのバックアップに、該当するキーペア { $name } がありません
    .hint = 一覧にある名前か拇印を指定してください: pfxvault contents
error-retire-unknown-of = { $server } のバックアップに、該当するキーペア { $name } がありません
    .hint = 一覧にある名前か拇印を指定してください: pfxvault contents --from { -stick }
error-retire-own-server = 指定されたのはこのサーバーです。何も変更しませんでした
    .hint = --server と --to を付けずに実行してください(パスフレーズは不要です): pfxvault retire 名前 --reason leaked
error-retired-by-owner = { $name } は保管庫の管理責任者が除外したもので、取り消せるのは管理責任者だけです。何も変更しませんでした
    .hint = パスフレーズを使って取り消します: pfxvault retire { $name } --undo --server { $server } --to { -stick }
error-server-name = { $name } はサーバー名にできません
    .hint = 制御文字を含まない 64 バイト以内の名前を指定してください(例: WEB01)
error-unknown-source = { $source } は読み取り元として指定できません
    .hint = folder:{ -disk }certs、pfx:{ -disk }www.pfx、または pem:{ -disk }www.crt と --key { -disk }www.key のように指定してください
error-unknown-destination = { $destination } は書き込み先として指定できません
    .hint = folder:{ -disk }restored、pfx:{ -disk }www.pfx、または pem:{ -disk }restored のように指定してください
error-unknown-way = { $way } は追加できるものではありません
    .hint = passphrase、recovery-key、shares:2/3、または別の担当者の age 公開鍵(age1...)を指定してください: pfxvault access add recovery-key --to { -stick }
error-too-many-ways = パスフレーズと復旧キーは合わせて { $most } 件までのため、追加しませんでした
    .cause = それより多いと、読み取られないものが出て、保管庫を開けなくなることがあります
    .hint = 今ある手段を使ってください。一覧: pfxvault access list { -stick }
error-unknown-rule = { $rule } という取り扱いルールはありません
    .hint = ルールは no-email、no-shared-drive、other-medium、no-handover、password-kept と、1 つのキーペアについての no-key:名前 です: --accept other-medium="試験用サーバー"
error-until = { $day } は、今日から 1 年後までの日付ではありません
    .hint = 例外の最終日を --until 2027-03-31 のように指定してください
error-no-finding = { $id } という ID の、注意が必要な点はここにはありません
    .cause = { $known ->
        [none] 注意が必要な点はありません
       *[other] 注意が必要な点: { $known }
    }
    .hint = ここに表示される ID を指定してください: --accept few-media="理由" --until 2027-03-31
error-rest-without-end = { $id } を無期限に保留することはできません
    .hint = 1 年以内の最終日を指定してください: --accept { $id }="理由" --until 2027-03-31
error-not-to-rest = { $id } は保留にできません
    .cause = 失われたものがあるか、ほかのものと区別できません
    .hint = 一緒に表示される手順に従ってください。ほかに解消する方法はありません
error-not-without-key = { $name } という名前で、鍵をバックアップできないキーペアはありません
    .hint = バックアップできないものを確認してください: pfxvault list --from iis
error-exception-without-reason = ルール { $rule } を例外にする理由がありません
    .hint = 等号の後に理由を書いてください: --accept { $rule }="試験用サーバーで、本番の鍵ではない"
error-bad-generation = { $text } は世代の番号でも日付でもありません
    .hint = 42 のような番号か、2026-10-31 のような日付を指定してください。一覧: pfxvault contents --from { -stick }
error-bad-vault-id = { $text } は保管庫のフィンガープリントではありません
    .hint = 封筒の控えのとおり、SHA256: から指定してください(英数字と + と /。大文字と小文字は区別されます)
error-which-server = 複数のサーバーのバックアップがあり、--server の指定から 1 台に決められません
    .cause =
        見つかったサーバー(ID、名前、最新の世代、日付):
        { $servers }
    .hint = いずれかの名前または ID を指定してください: --server 名前
error-one-pfx = { $count } 組のキーペアが該当します。1 つのファイル { $path } に入れることはできません
    .cause =
        見つかったキーペア(拇印、有効期限、名前):
        { $candidates }
    .hint = 1 組だけを拇印で指定するか、1 組ずつファイルに分けるフォルダーを指定してください: --to folder:{ -disk }restored

## Errors: key pairs and files

error-source-unreadable = { $path } を読み取れません
    .cause = { $reason }
    .hint = パスと読み取り権限を確認してください(システムのファイルの場合は管理者として実行してください)
error-pfx-unreadable = { $path } を開けません
    .again = このパスワードでは開けません。もう一度入力してください。
    .cause = { $reason }
    .hint =
        ファイルが正しいか確認し、同じコマンドをもう一度実行して、入力を求められてから
        パスワードを入力してください。
        スクリプトでは --source-password-file ファイル で指定します
error-wrong-source-password = 指定されたパスワードでは、保護されたファイルを開けません
    .cause = { $files }
    .again =
        もう一度入力してください。
        Caps Lock、日本語入力(半角か)、キーボード配列に注意してください。
    .hint =
        同じコマンドをもう一度実行し、入力を求められてからパスワードを入力してください。
        または、自分だけが読めるファイルに書いて指定してください:
        --source-password-file ファイル
        パスワードがファイルごとに異なる場合は、名前とパスワードをコンマで区切って
        1 行に 1 つずつ書いたファイルを指定: --source-passwords ファイル
error-pem-malformed = { $path } は PEM ファイルではないか、破損しています
    .hint = -----BEGIN CERTIFICATE----- などの行が必要です。PFX の場合は --from pfx:ファイル と指定してください
error-pem-no-certificate = { $path } に証明書がありません
    .hint = -----BEGIN CERTIFICATE----- の行があるファイルを指定してください: --from pem:{ -disk }www.crt
error-pem-no-key = { $path } に使える秘密鍵がありません
    .cause = 読み取れる形式の秘密鍵が入っていません
    .hint = -----BEGIN PRIVATE KEY----- の行があるファイルを指定してください
error-pem-key-unusable = { $path } の秘密鍵は使えません
    .cause = { $reason }
    .hint = 別の鍵のファイルを指定するか、鍵と証明書を PFX に変換し、--from pfx:ファイル と指定してください
error-password-table = { $path } はパスワードの一覧として読み取れません({ $line } 行目)
    .hint =
        ファイルごとに 1 行、名前,パスワード の形で書いてください。
        コンマや引用符を含むパスワードは引用符で囲み、中の引用符は 2 つ重ねます:
        www.example.com.pfx,"a ""quoted"", one"
        名前が空の行は、どのファイルにも使われます。
error-pfx-unproven = { $name } から作成した PFX を開いて照合できなかったため、使用しませんでした
    .hint = 同じコマンドをもう一度実行してください。それでも失敗する場合は、ほかのキーペアを名前で指定してバックアップし、この問題を報告してください
error-nothing-to-back-up = バックアップできるキーペアがありません
    .hint = 内容と理由を確認してください: pfxvault list --from folder:{ -disk }certs
error-nothing-counts = 復元の対象になるキーペアがここにはありません
    .cause = どのキーペアも、更新済み、期限切れ、または除外済みです
    .hint = 理由と、取り消せるかどうかを確かめてください: pfxvault contents --from { -stick }
error-nothing-found = 書き込むキーペアがありません
    .hint = 内容を確認してください: pfxvault list --from folder:{ -disk }certs または pfxvault contents --from { -stick }
error-nothing-restorable = 指定されたキーペアを 1 組も読み取れなかったため、何も書き込みませんでした
    .cause = { $name }: { $reason }
    .hint =
        保管庫の場合は、別の USB メモリも指定するか、以前の世代を指定してください: --from { -stick } --from { -second-stick } --generation 41
        ファイルの場合は、理由を確認してください: pfxvault list --from folder:{ -disk }certs
error-file-exists = { $path } がすでに存在するため、何も書き込みませんでした
    .hint = --to で別の場所を指定するか、--force を付けて既存のファイルを置き換えてください
error-files-exist = { $count } 個のファイルがすでに存在するため、何も書き込みませんでした
    .cause = { $paths }
    .hint = --to で別の場所を指定するか、--force を付けて既存のファイルを置き換えてください
error-not-a-file = 書き込み先にファイルではないものが { $count } 件あるため、何も書き込みませんでした
    .cause =
        フォルダー、リンク、デバイスは、--force を付けても置き換えません:
        { $paths }
    .hint = --to で別の場所を指定するか、そこにあるものを移動してください
error-destination-unwritable = { $path } に書き込めないため、すべて元の状態に戻しました
    .cause = { $reason }
    .hint = 空き容量と書き込み権限のある場所を --to で指定してください

## Errors: handling rules

error-rule-no-shared-drive = 取り扱いルール「共有ドライブ保存の禁止」(no-shared-drive)により中止しました: { $path }
    .cause = { $place } は{ $seen }です。ほかの人も読める場所です
    .hint = USB メモリか、このコンピューターのフォルダーを使ってください。やむを得ない場合は理由を付けます: --accept no-shared-drive="理由"
error-rule-other-medium = 取り扱いルール「別メディアへの保管」(other-medium)により中止しました: { $path }
    .cause = { $place } は{ $seen }です。サーバーと一緒にバックアップも失われます
    .hint = USB メモリを使ってください。やむを得ない場合は理由を付けます: --accept other-medium="理由"

## Errors: media and vaults

error-no-such-medium = { $medium } に USB メモリがありません
    .hint = USB メモリを挿し(Linux ではマウントし)、そのドライブまたはフォルダーを指定してください(例: { -stick })
error-medium = { $medium } を使えません
    .cause = { $reason }
    .hint = USB メモリの接続、空き容量、書き込み禁止の設定を確認し、もう一度実行してください。それでも失敗する場合は、別の USB メモリを使ってください
error-no-medium = メディアが指定されていません
    .hint = USB メモリを指定してください: --to { -stick }
error-nothing-committed = 何も保存できませんでした。{ $medium } にある以前の内容は有効なままです
    .cause = { $reason }
    .hint = USB メモリの接続、空き容量、書き込み禁止の設定を確認し、もう一度実行してください。それでも失敗する場合は、別の USB メモリを使ってください
error-no-vault = { $medium } に保管庫がありません
    .cause = PFXVAULT フォルダーがないか、その中に使えるものがありません
    .hint = 保管庫のある別の USB メモリを挿してください。新しい保管庫を作る場合: pfxvault create { -stick }
error-no-statement = { $medium } には、どの保管庫かを示す管理責任者の署名がありません
    .cause =
        PFXVAULT/A/OWNER と PFXVAULT/B/OWNER にある、登録サーバーと「保管庫を開く手段」の一覧が、破損しているか不足しています。
        バックアップの世代が { $count } 個残っています。内容は変更していません
    .hint =
        この USB メモリは捨てずに、同じ保管庫の別の USB メモリから一覧を書き直してください: pfxvault copy --from { -second-stick } --to { $medium }
        この保管庫の登録サーバーには一覧の記録があります。そのサーバーからこの USB メモリに次のバックアップを取ると、書き直されます
join-same-name =
    注意: 同じ名前のサーバーがすでに登録されています: { $server }。両者は ID でしか区別できません。
    このサーバーを再インストールした場合は、登録後に古いほうの登録を終了してください: pfxvault servers retire ID --to { -stick }
    別のサーバーであれば、別の名前で登録してください: pfxvault servers join { -stick } --server-name 名前
join-same-question = 同じ名前のまま登録しますか?
create-interrupted =
    保管庫の作成が前回中断されています。その続きを行います。パスフレーズと復旧キーは前回のものです。新しい復旧キーは作成しません。
    前回の復旧キーが手元にない場合は、終了後に別の復旧キーを作成してください: pfxvault access add recovery-key --to { -stick }
error-vault-begun = { $medium } には、作成途中の保管庫があります
    .cause = PFXVAULT フォルダーにはキーペアも管理責任者の署名もなく、有効な内容はありません
    .hint =
        中断したコマンドをもう一度実行すると完了します: pfxvault create、copy、media add
        それでも同じエラーになる場合は、{ $medium } の PFXVAULT にほかのファイルがあります。別の場所に移し、フォルダーを削除してから、もう一度実行してください
error-vault-there = { $medium } にはすでに PFXVAULT フォルダーがあります。上書きすることはありません
    .hint =
        目的に合わせて、次のいずれかを行ってください
        この保管庫に保存する: pfxvault backup --from { -source } --to { $medium }
        このサーバーを登録する: pfxvault servers join { $medium }
        新しい保管庫を作る、メディアを追加する: PFXVAULT フォルダーのない USB メモリを使う
error-vault-empty = { $medium } の保管庫にはまだバックアップがありません
    .hint = 別の USB メモリを試すか、バックアップを取ってください: pfxvault backup --from { -source } --to { $medium }
error-none-admitted = { $medium } には、復元できるものがありません。あるのは、登録サーバーの一覧にないサーバーの世代 { $count } 個だけです
    .cause = 指定されたメディアの登録サーバーの一覧が破損しているか不足しているか、第三者が世代を置いています。登録を確認できないものは復元しません
    .hint =
        この USB メモリは捨てないでください。同じ保管庫の別の USB メモリに一覧がそろっている可能性があります。両方を指定してください: --from { $medium } --from { -second-stick }
        破損の有無を調べるには: pfxvault verify { $medium }
        この保管庫の登録サーバーには一覧の記録があります。そのサーバーからこの USB メモリに次のバックアップを取ると、書き直されます
error-name-not-admitted = ここにある登録サーバーの一覧にあるものの中に、{ $name } という名前のものはありません。一覧にないサーバーの世代が { $count } 個あり、これらは使いません
    .cause = 指定されたものは、その中にあるかもしれません。指定されたメディアの登録サーバーの一覧が破損しているか不足しているか、第三者が世代を置いています。登録を確認できないものは復元しません
    .hint =
        この USB メモリは捨てないでください。同じ保管庫の別の USB メモリに一覧がそろっている可能性があります。両方を指定してください: --from { $medium } --from { -second-stick }
        破損の有無を調べるには: pfxvault verify { $medium }
        この一覧のままで復元できるものを見るには: pfxvault contents --from { $medium }
error-not-our-vault = { $medium } は別の保管庫のメディアです
    .cause = このメディアのフィンガープリントは { $vault }、ここの保管庫は { $ours } です
    .hint = 正しい USB メモリを挿してください。このメディアの内容は変更していません。このメディアの内容を見るには: pfxvault contents --from { $medium } --state 新しいフォルダー
error-two-owners = { $medium } とほかのメディアが別々の保管庫のものか、いずれかに無関係なものが含まれています
    .hint =
        1 本ずつ検証してください: pfxvault verify { $medium }
        1 本だけでも同じ結果になる場合は、保管庫を指定してください: pfxvault verify { $medium } --vault SHA256:...
error-no-way-in = { $medium } の保管庫を開けません。保存されているパスフレーズまたは復旧キーの情報が破損しているか、ありません
    .hint =
        同じ保管庫の別の USB メモリを試すか、もう一方の手段を使ってください(--recovery-key を付ける、または外す)
        サーバーが動いている場合は、すぐに新しい USB メモリにバックアップしてください: pfxvault backup --to { -second-stick }
error-no-generation = サーバー { $server } の指定された世代に、使えるものがありません
    .cause = 指定されたメディアにないか、破損しています
    .hint = 別の USB メモリも指定するか、別の世代を選んでください: pfxvault contents --from { -stick } --from { -second-stick }

## Errors: this server

error-not-enrolled = このサーバーはまだどの保管庫にも登録されていません
    .hint =
        新しい保管庫を作る: pfxvault create { -stick }
        既存の保管庫に登録する: pfxvault servers join { -stick }
error-not-enrolled-here = { $medium } に保管庫がありますが、このサーバーはまだ登録されていません
    .hint = このサーバーを登録してください(パスフレーズを入力します): pfxvault servers join { $medium }
error-already-enrolled = このサーバーはすでに保管庫 { $vault } に登録されています
    .cause = 登録の内容は { $folder } にあります
    .hint =
        この保管庫のメディアを追加する: pfxvault media add { -stick }
        新しい保管庫を作って切り替える: pfxvault create { -stick } --replace
        既存の別の保管庫に切り替える: pfxvault servers join { -stick } --replace
        同じサーバーで別の保管庫も使う: コマンドに別のフォルダーを付けます(例: --state { -disk }pfxvault-second)
error-server-closed = このサーバー({ $server })はもう保管庫に書き込めません
    .cause = 保管庫の管理責任者が、このサーバーの登録を終了しています
    .hint = 管理責任者に確認してください。登録し直す場合(パスフレーズを入力します): pfxvault servers join { -stick } --state { -disk }pfxvault-new
error-no-recipients = 新しいバックアップを開ける鍵がわからないため、バックアップを中止しました
    .cause = 保管庫を開く手段の一覧が、このサーバーではそろっていません
    .hint = 保管庫の別の USB メモリを挿し、そちらにバックアップしてください。USB メモリにある手段の一覧: pfxvault access list { -stick }
error-no-state-folder = このサーバーの管理情報を置くフォルダーがありません
    .hint = 自分と管理者だけが書き込めるフォルダーを指定してください: --state { -disk }pfxvault-state
error-state-busy = このサーバーで別の pfxvault が実行中です
    .cause = { $folder } を使用しています
    .hint = 終了を待って、同じコマンドをもう一度実行してください
error-state-shared = このサーバーの管理情報が安全ではありません。{ $folder } は、ほかの人が所有しているか、ほかの人も書き込めます
    .hint =
        管理者だけが書き込めるように設定し、同じコマンドをもう一度実行してください
        Windows: icacls "{ $folder }" /inheritance:r /grant:r *S-1-5-32-544:(OI)(CI)F *S-1-5-18:(OI)(CI)F
        Linux: chmod 700 "{ $folder }"
error-state-file-shared = このサーバーの管理情報が安全ではありません。{ $path } は、ほかの人が所有しているか、ほかの人も書き込めるか、中の鍵を読み取れます
    .hint =
        誰が変更または読み取りできたか確認してください。その形跡がある場合は登録し直してください: pfxvault servers join { -stick } --state { -disk }pfxvault-new
        なければ、管理者だけがアクセスできるように設定し、同じコマンドをもう一度実行してください
        Windows: takeown /A /F "{ $path }"
        Linux: chown root "{ $path }" と chmod 600 "{ $path }"
error-state-other-machine = { $folder } の管理情報は、別のコンピューターで作成されたものです
    .cause = 署名用の鍵は作成したコンピューターに結び付いています。このコンピューターは複製されたか、以前のイメージに戻された可能性があります
    .hint = 新しいサーバーとして使う場合は、新しいフォルダーを指定して登録してください: pfxvault servers join { -stick } --state { -disk }pfxvault-new(これまでのバックアップには影響ありません)
error-state-newer = このサーバーの管理情報は新しいバージョンの pfxvault で書き込まれています: { $folder }
    .cause = このバージョンで書き直すと、新しいバージョンで追加された内容が失われます
    .hint = このサーバーでは新しいバージョンを使ってください。復元はこのバージョンでもできます: pfxvault restore --from { -stick }
error-label-taken = 「{ $label }」というラベルの USB メモリがすでにあります
    .hint = 別のラベルを付けてください: --label { $free }
journal-unknown = 変更の記録に、このバージョンでは理解できない行があります({ $path }、{ $lines } 行目)。その行を含む変更は取り消せません
error-state-damaged = このサーバーの管理情報が破損しています: { $folder }
    .cause = { $cause }
    .hint =
        保管庫そのものに影響はありません
        このフォルダーの名前を変更し、サーバーを登録し直してください(パスフレーズを入力します): pfxvault servers join { -stick }
error-state-unreadable = このサーバーの管理情報を読み取れません: { $folder }
    .cause = { $reason }
    .hint = 前回と同じユーザーで、管理者として実行してください
error-state-unwritable = このサーバーの管理情報を書き込めません: { $folder }
    .cause = { $reason }
    .hint = 管理者として実行し、ディスクの空き容量を確認するか、別のフォルダーを指定してください: --state { -disk }pfxvault-state
error-no-number-left = このサーバーで使える世代の番号がなくなりました
    .hint = 別のフォルダーを指定して登録し直してください: pfxvault servers join { -stick } --state { -disk }pfxvault-new
error-signing = 署名できなかったため、この実行で書き込むはずだった内容は有効になりません
    .hint = 同じコマンドをもう一度実行してください。それでも失敗する場合は、pfxvault --version の出力を添えて報告してください
error-no-random = システムから乱数を取得できず、鍵を作成できません
    .hint = コンピューターを再起動し、同じコマンドをもう一度実行してください

## Demonstration

demo-intro =
    テスト用のキーペアで、バックアップから復元までを実演します。ほかのものには触れません。
    ファイルは { $place } に作成し、最後に削除します。
demo-ca = 実演用の小さな認証局と、{ $count } 組のキーペアを作成しました。
demo-server = Web サーバーの { $folder } に、{ $count } 個の PFX ファイルがあります。
demo-create = 1 本目の USB メモリ { $medium } に新しい保管庫を作成します。これ以降、サーバーは保管庫に保存できますが、開くことはできません。
demo-passphrase = パスフレーズとなる 10 個の単語と、封筒に入れる復旧キーを生成しました。
demo-second-medium = 2 本目の USB メモリを保管庫に追加します。1 本だけではバックアップとは言えません。
demo-backup = { $saved } 組のキーペアを第 { $number } 世代として { $count } 本の USB メモリに保存し、読み戻して照合しました。パスフレーズは入力していません。
demo-damage =
    故障しかけた USB メモリのように、{ $path } を 1 バイトだけ書き換えます。
    pfxvault verify の結果は次のとおりです。
demo-forged =
    登録サーバーの鍵を持たない第三者が、もう 1 本の USB メモリに勝手に世代を書き込みます。
    pfxvault verify の結果は次のとおりです。
demo-forgotten = サーバーは失われ、パスフレーズも忘れてしまいました。
demo-recovery = 封筒の復旧キーで保管庫を開きました。{ $count } 件のバックアップを読み取れます。
demo-restore = { $count } 組のキーペアを、新しいサーバーのフォルダー { $folder } に復元しました。
demo-handshake = { $name }: 復元したキーペアで TLS 接続に成功しました({ $version })
demo-clean = 実演用に作成したものをすべて削除しました。
demo-done = 完了({ $seconds } 秒): 保存し、破損と不正な書き込みを見つけ、復旧キーだけで復元しました
demo-for-real =
    実際に入力するコマンド({ -stick } は USB メモリ、{ -disk }certs は PFX ファイルのフォルダー):
      pfxvault list --from folder:{ -disk }certs
          内容の確認
      pfxvault backup --from folder:{ -disk }certs --to { -stick }
          バックアップ(初回は保管庫も作成)
      pfxvault verify { -stick }
          USB メモリの検証
      pfxvault drill --from { -stick }
          復元訓練(復元できるか試す)
      pfxvault restore --from { -stick } --to folder:{ -disk }restored
          復元
error-demo = 実演が途中で止まりました: { $step }
    .cause = pfxvault の不具合です。実際のキーペアや USB メモリに影響はありません
    .hint = もう一度 pfxvault demo を実行してください。それでも失敗する場合は、pfxvault --version の出力を添えて報告してください
error-demo-folder = 実演用のフォルダーを使えません: { $folder }
    .cause = { $reason }
    .hint = ディスクの空き容量と書き込み権限を確認し、もう一度 pfxvault demo を実行してください

## Windows サーバーの証明書ストア

list-iis-headline = このサーバーには、サイト用の証明書が { $count } 個あります。うち { $ready } 個は秘密鍵を含めてバックアップできます。
list-hindrance = 注意: バックアップできません: { $name }: { $reason }
column-store = ストア
cell-archived = { $store }(アーカイブ済み)
cell-key-exportable = エクスポート可能
cell-key-not-exportable = エクスポート不可
cell-key-unknown = ?
cell-key-none = 秘密鍵なし
key-unknown = 秘密鍵の有無は、管理者として実行しないと確認できません
key-no-link = 証明書はありますが、秘密鍵との関連付けが失われており、IIS マネージャーに表示されません。pfxvault repair を実行するか、バックアップから復元してください
key-user-profile = 秘密鍵が特定のユーザーのプロファイルにあり、IIS から使えません。そのユーザーとして pfxvault repair を実行してください
key-missing = 秘密鍵がこのサーバーにありません。バックアップから復元するか、証明書の再発行を依頼してください
key-other = 別の証明書の秘密鍵に関連付けられています。pfxvault repair を実行するか、バックアップから復元してください
no-export-marked = 秘密鍵が「エクスポート不可」に設定されています。エクスポート可能な秘密鍵で再発行するか、以前のバックアップから復元してください
no-export-tpm = 秘密鍵がこのサーバーの TPM にあり、取り出せません。次のサーバーのために再発行を計画してください
no-export-smart-card = 秘密鍵がスマート カードにあり、取り出せません。カードごと移してください
no-export-hsm = 秘密鍵がハードウェア セキュリティ モジュール(HSM)にあり、取り出せません。製造元のバックアップ機能を使ってください
no-export-isolated = 秘密鍵が Windows の仮想化ベースのセキュリティで分離されており、取り出せません。次のサーバーのために再発行を計画してください
no-export-unknown-form = 秘密鍵のプロバイダーが、対応していない形式で秘密鍵を出力しました。プロバイダーの製造元のツールでバックアップしてください
windows-refused = Windows が拒否しました({ $call }、{ $object }、{ $code }): { $meaning }
windows-not-found = 見つかりません
windows-denied = アクセスが拒否されました
windows-no-key = その秘密鍵がないか、このアカウントでは参照できません
windows-key-exists = 同じ名前の秘密鍵がすでにあります
windows-no-provider = このサーバーにはそのキー プロバイダーがありません
windows-wants-a-person = この秘密鍵は、使うたびに利用者の許可を求める設定です
windows-not-supported = キー プロバイダーが対応していません
windows-no-certificate = その証明書はありません
windows-certificate-exists = その証明書はすでにあります
windows-invalid-password = Windows の応答は「パスワードが違います」です。Windows が対応していない暗号方式の場合も、この応答になります
windows-invalid-parameter = この Windows では受け付けられない値があります
windows-exists = すでに存在します。別のプログラムが今作成した可能性があります
windows-certificate-not-usable = このコンピューターの証明書ストアにその証明書がないか、秘密鍵を使えません
windows-in-use = ウイルス対策ソフトや IIS マネージャーなど、別のプログラムがファイルを使用中か、変更した直後です
windows-no-iis = このサーバーに IIS がインストールされていません
windows-other = 関数名とこのコードで検索してください
cannot-not-elevated = 管理者として実行しないと確認できません
cannot-key-type = この種類の鍵は IIS で使えません
plan-as-it-should-be = すでにあり、秘密鍵も使えます: { $name }
plan-cannot = 注意: 実行できません: { $name }: { $reason }
plan-import = インポート: { $name } → ストア { $store }(秘密鍵を新しく作成: { $provider })
plan-mend = 修復: ストア { $store } の { $name } に、失われた秘密鍵を戻します({ $provider })
plan-link = 修復: ストア { $store } の { $name } を、このサーバーにある秘密鍵({ $container })に関連付けます
plan-access = ・以前と同じく、この秘密鍵を使えます: { $who }
plan-access-left-out = ・以前は使えましたが、使えなくなります: { $who }
plan-ends = ・拇印 { $thumbprint }、有効期限 { $day }
plan-expired = ・拇印 { $thumbprint }、{ $day } に期限切れ
plan-authority = 認証局の証明書を追加: { $name } → ストア { $store }
root-fetched = 参考: 証明書チェーンの最後は { $name } です(SHA-1 { $sha1 }、SHA-256 { $sha256 })。公的なルート証明書で、Windows が自動的に信頼するため、作業は不要です
root-left-out = 注意: ルート証明書 { $name }(SHA-1 { $sha1 }、SHA-256 { $sha256 })はこのサーバーで信頼されておらず、Windows が自動的に取得する公的なルート証明書でもありません。インストールしませんが、IIS の動作には影響しません
root-untold = 注意: ルート証明書 { $name }(SHA-1 { $sha1 }、SHA-256 { $sha256 })はこのサーバーのストアにありません。Windows が自動的に取得する公的なルート証明書かどうかは、ここでは確認できません。インストールしませんが、IIS の動作には影響しません
root-install-hint = ・このサーバー自身でも信頼する場合は、認証局が公開している値と照合してから、--install-root { $sha256 } を指定して復元してください
restore-iis-question = このサーバーを変更しますか?
restore-iis-done = 完了: { $count } 組のキーペアが証明書ストアにあり、すべての秘密鍵と証明書が一致することを、署名して確認しました
restore-iis-exportable = 次回のバックアップができるように、秘密鍵はエクスポート可能です。
restore-iis-not-exportable = 秘密鍵はエクスポート不可です。このサーバーからはバックアップできません。
progress-importing = インポートしています: { $name }
left-certificate-changed = 注意: その後に変更されているため、そのままにしました: ストア { $store } の { $name }
left-key-in-use = 注意: { $name } が使用しているため、秘密鍵 { $container } は残しました
repair-interrupted = { $when } の { $what } が途中で止まっています。途中までの変更を取り消します。
repair-interrupted-question = 取り消しますか?
repair-taken-back = 完了: 取り消しました。準備ができたら、もう一度実行してください
repair-question = 修復しますか?
repair-done = 修復: { $mended } 件、バックアップからの復元または再発行が必要: { $cannot } 件
repair-nothing = 修復が必要なものはありません。
repair-orphan-saved = 以前の実行で残された、このサーバーのどの証明書にも必要のない秘密鍵: { $container }。{ $name }({ $thumbprint })の秘密鍵で、{ $day } の第 { $number } 世代に保存されています
repair-orphan-unsaved = 以前の実行で残された、このサーバーのどの証明書にも必要のない秘密鍵: { $container }。このサーバーに記録のあるバックアップには入っていません。削除すると失われます
repair-unlisted = 注意: Windows からこのコンピューターの秘密鍵の一覧を取得できないため、証明書に関連付けられていない秘密鍵は確認していません。C:\ProgramData\Microsoft\Crypto に壊れたファイルがある可能性があります: { $reason }
repair-closed = 注意: 秘密鍵 { $container } が開けないため、どの証明書のものか確認できません。削除せずに残します: { $reason }
repair-orphans-hint = この秘密鍵を完全に削除するには: pfxvault repair --orphans
repair-orphans-question = この { $count } 個の秘密鍵を完全に削除しますか? 削除すると元に戻せません。
repair-orphans-deleted = 完了: { $count } 個の秘密鍵を削除しました
repair-expired = 有効期限が切れています: { $name }({ $thumbprint })
repair-replaced = 同じホスト名の新しい証明書があります: { $name }({ $thumbprint })
undo-plan = { $when } の { $what } を取り消します。このとき作成した秘密鍵は { $keys } 個です。
undo-question = 取り消しますか?
undo-done = 完了: 元に戻しました
selftest-passed = 合格: { $name }
selftest-failed = 注意: 不合格: { $name }: { $reason }
selftest-key = { $name }
selftest-step = { $step ->
        [site] IIS にサイトを追加
        [restore] キーペアのインポート、HTTP.sys の登録、バインド
        [export] 証明書ストアからの鍵のエクスポート
        [tls] その証明書での { $version } 接続
        [undo] 以上の変更の取り消し
        [site-gone] サイトの削除
       *[as-before] 証明書、鍵、HTTP.sys の登録、サイトが実行前と同じ
    }
selftest-other = 別の証明書が使われています
selftest-unsteady = ときどき接続に失敗します
selftest-not-as-before = 実行前になかったものが残っているか、あったものがなくなっています
selftest-full-plan =
    このサーバーに 1 分ほど、次のものを作ります: 127.0.0.1 のサイト pfxvault-selftest(ポート { $http } と { $https })、テスト用の証明書と鍵、
    HTTP.sys の登録、バインド。終わったら、途中で失敗しても、すべて削除します。ほかには何も変更しません。
    最初に IIS が構成のバックアップを作成します。これは削除しません: { $backup }
selftest-full-question = 始めますか?
selftest-page =

    ----- pfxvault selftest --full: 不具合報告に貼り付ける内容(ここから) -----
    pfxvault { $version }、Windows ビルド { $build }
    { $lines }
    ----- ここまで。このサーバーの名前、アドレス、秘密の情報は含まれていません -----
error-selftest-no-iis = このサーバーに IIS がインストールされていません
    .hint = IIS がない場合は、鍵だけを試してください: pfxvault selftest
error-selftest-shared = このサーバーの IIS は、ほかのサーバーと構成を共有しています
    .cause = ここで作るサイトは、すべてのサーバーのサイトになります
    .hint = 構成を共有していないサーバーを使うか、鍵だけを試してください: pfxvault selftest
error-no-port = 127.0.0.1 に空いているポートがありません
    .cause = { $reason }
selftest-wrong = 取り出した鍵が、入れた鍵と一致しません
reason-key-does-not-sign = 秘密鍵と証明書が一致しません(署名して確認)
error-http-sys = HTTP.sys(IIS の TLS 通信を担う Windows の機能)が変更を受け付けませんでした
    .cause = { $reason }
    .hint = 現在の設定を確認するには: netsh http show sslcert
error-iis = IIS が変更を受け付けませんでした
    .cause = { $reason }
    .hint = IIS マネージャーなど、IIS の構成を変更するプログラムを閉じ、ディスクの空き容量を確認してから、もう一度実行してください
change-taken-back = 変更に失敗しました。途中までの変更はすべて元に戻しました。証明書ストア、秘密鍵、バインドは実行前の状態です
error-windows = 証明書ストアを使えません
    .cause = { $reason }
    .hint = 管理者として、もう一度実行してください
error-no-iis = iis は Windows サーバーでのみ指定できます
    .hint = folder:フォルダー、pfx:ファイル、pem:証明書 を指定してください
error-not-elevated = サーバーを変更するため、管理者として実行する必要があります
    .hint = コマンド プロンプトを「管理者として実行」で開き、もう一度実行してください
error-bad-root = SHA-256 のフィンガープリントではありません: { $text }
    .hint = 実行計画に表示される 64 桁の値を指定してください
error-journal = 変更の記録を書き込めません: { $path }
    .cause = { $reason }
    .hint = 何も変更していません。ディスクとフォルダーのアクセス権を確認してください
error-journal-busy = 別の pfxvault がこのサーバーを変更しています: { $path }
    .hint = 終わるまでお待ちください
error-journal-damaged = 変更の記録が破損しています: { $path }
    .hint = 何も変更していません。ファイルを別の場所に移すと続行できますが、それ以前の変更は取り消せなくなります
error-run-interrupted = { $when } の { $what } が途中で止まっています
    .hint = 先に取り消してください: pfxvault repair
error-nothing-to-undo = 取り消せる変更はありません
error-not-taken-back = 一部を取り消せませんでした
    .cause = { $reason }
    .hint = 続きから取り消すには: pfxvault repair
error-half-done = 失敗し、一部を取り消せませんでした
    .cause = { $failed }、{ $left }
    .hint = 続きから取り消すには: pfxvault repair
error-stopped = 中止しました。何も変更していません
error-key-unproven = { $name } をインポートできませんでした。何も変更していません
    .cause = { $reason }
    .hint = このサーバーで使える機能を確認してください: pfxvault selftest
error-interrupts = Ctrl-C を監視できません
    .cause = { $reason }
help-restore-non-exportable = このサーバーの秘密鍵をエクスポート不可にします(バックアップできなくなります)
help-restore-install-root = 指定した SHA-256 のルート証明書を、今後信頼します
help-repair = このサーバーのキーペアを修復し、途中で止まった変更を取り消します。
help-repair-orphans = 以前の実行で残され、このサーバーのどの証明書や要求にも必要のない秘密鍵を削除します
help-undo = このサーバーへの直前の復元、インストール、要求、または修復を取り消します。
help-retire = このサーバーのキーペアを、どのバックアップからも二度と復元しないようにします(鍵の漏えい、証明書の失効、廃止など)。
help-retire-names = キーペアの名前または拇印
help-retire-reason = 理由: leaked(鍵が他人に渡ったおそれ。その鍵のすべての証明書が対象)、revoked(失効)、removed(廃止)、lost(どの USB メモリにもない)
help-retire-undo = 除外を取り消し、再び復元対象にします
help-retire-server = 保管庫の別のサーバー(もうないサーバー)の ID または名前。パスフレーズを入力します
help-retire-to = 書き込み先となる保管庫の USB メモリ(例: { -stick })。複数回指定できます
retire-owner-done = 完了: { $count } 組のキーペアを復元対象から除外し、指定された USB メモリに記録しました。ほかの USB メモリも 1 本ずつ最新にしてください: pfxvault copy --from { -stick } --to { -second-stick }
retire-owner-undone = 完了: { $count } 組のキーペアを再び復元対象にし、指定された USB メモリに記録しました。ほかの USB メモリも 1 本ずつ最新にしてください: pfxvault copy --from { -stick } --to { -second-stick }
retire-pair-plan = { $name }({ $thumbprint }、有効期限 { $end })
retire-pair-question = これらを二度と復元しないようにしますか({ $reason })?
retire-pair-undo-question = これらを再び復元対象にしますか?
retire-pair-done = 完了: { $count } 組のキーペアを復元対象から除外しました。各 USB メモリには次のバックアップで反映されます: pfxvault backup --to { -stick }
retire-pair-undone = 完了: { $count } 組のキーペアを再び復元対象にしました。各 USB メモリには次のバックアップで反映されます: pfxvault backup --to { -stick }
help-selftest = テスト用の鍵を使い、このサーバーで秘密鍵をインポートしてエクスポートできるかを試します。
help-selftest-full = IIS のあるサーバーで、専用のサイトを使い、復元・バインド・TLS 接続・取り消しまで試します(サイトは最後に削除します)
help-selftest-yes = 質問せずに始めます

## The system's event log
event-key-exported = 秘密鍵を証明書ストアからエクスポートしました: { $name }({ $thumbprint })
event-key-imported = 秘密鍵を証明書ストアにインポートしました: { $name }({ $thumbprint })
event-key-deleted = 秘密鍵を削除しました: { $container } (証明書 { $thumbprint })
event-rule-set-aside = 取り扱いルール { $rule } を例外にしました: { $reason }
event-not-written = Windows イベント ログに書き込めませんでした: { $reason }

## Status
column-kept-at = 保管場所
column-cold = 抜いた後の検証
cell-lost = 紛失
cell-retired = 使用終了
status-newest = 最新のバックアップ: 第 { $number } 世代({ $day })。すべての世代を合わせて、復元対象のキーペアは { $count } 組です。
status-good = すべて問題ありません。期限を過ぎたものや、失われるおそれのあるものはありません。
status-at-rest = 保留にした { $count } 件のほかに、注意が必要な点はありません。
status-attention = 確認が必要な点が { $count } 件あります:
finding-at-rest =
    保留中({ $by } が { $until } まで保留。理由: { $reason }):
    { $finding }
finding-how-to-rest =
    確認済みの点を期日まで保留にするには、次の指定を加えます:
      --accept ID="理由" --until 日付
    上の各点の ID: { $ids }
status-not-enrolled = このサーバーのバックアップはまだありません。USB メモリを挿して pfxvault backup --from { -source } --to { -stick } を実行してください
status-no-backup = USB メモリにまだバックアップがありません: pfxvault backup --from { -source } --to { -stick }
status-backup-old =
    最新のバックアップ(第 { $number } 世代)は { $age ->
        [ahead] このコンピューターの時計より先の日付のものです
       *[other] { $age } 日前のものです
    }
status-counts-older = { $count } 組のキーペアは最新のバックアップ(第 { $number } 世代)になく、以前の世代から復元されます: { $names }
status-ends-soon = バックアップにあるキーペアのうち { $count } 組は、30 日以内に有効期限が切れます: { $names }
status-copies-ended = USB メモリ「{ $label }」では、{ $count } 組のキーペアのコピーがすべて期限切れです({ $names })。更新済みの場合: pfxvault backup --to "label:{ $label }"。不要になった場合: pfxvault retire 名前 --reason removed
status-renewed-since = USB メモリ「{ $label }」にある { $total } 組のうち { $count } 組は、その後に更新されています({ $names })。次のバックアップで新しいものが保存されます
status-on-no-medium = バックアップ済みの { $count } 組のキーペアが、使用中のどの USB メモリにもありません({ $names })。まだ使っているものは、もう一度バックアップしてください: pfxvault backup --to { -stick }
status-found-bad =
    USB メモリ「{ $label }」で破損が見つかり({ $age ->
        [ahead] このコンピューターの時計より先の日付
        [0] 本日
       *[other] { $age } 日前
    })、その後の検証で、すべて正常とは確認されていません。別の USB メモリから補うか(pfxvault copy --from { -second-stick } --to { -stick })、新しい USB メモリに交換し、pfxvault verify { -stick } で検証してください
status-retirement-unknown = USB メモリ「{ $label }」には、復元対象から除外したことがまだ反映されていません。次にバックアップするまで、ほかのコンピューターではそこから復元できてしまいます: pfxvault backup --to "label:{ $label }"
status-owners-word-unread = 保管庫の管理責任者がこのサーバーのキーペアを復元対象から除外しました。どれかはパスフレーズで開かないとわかりません。ここで一度、保管庫を開いてください: pfxvault drill --from { -stick }
status-retired-here = { $name } は復元対象から除外されていますが({ $reason })、まだこのサーバーにあります。バックアップには保存されますが、復元では戻りません。このサーバーから削除するか、除外を取り消してください: pfxvault retire { $name } --undo
status-few-media = { $count } 組のキーペアがある USB メモリは { $media } だけです({ $wanted } 本必要です。{ $names }): pfxvault copy --from "label:{ $first }" --to { -stick }
status-rule-set-aside = 最新のバックアップでは取り扱いルール { $rule } を例外にしています: { $reason }
status-check-due = USB メモリ { $label } の前回の検証は { $age ->
    [ahead] このコンピューターの時計より先の日付です
   *[other] { $age } 日前です
}。挿して pfxvault verify { -stick } を実行してください
status-never-checked = USB メモリ { $label } は、一度抜いた後に検証したことがありません。挿して pfxvault verify { -stick } を実行してください
status-medium-old = USB メモリ { $label } は使用開始から { $months } か月を過ぎています。新しいものに交換してください: pfxvault copy --from "label:{ $label }" --to { -second-stick }、続けて pfxvault media retire "{ $label }"
status-never-drilled = 復元訓練をまだ行っていないため、パスフレーズで開けるかどうかわかりません。試してください: pfxvault drill --from { -stick }
status-drill-due =
    前回の復元訓練は { $age ->
        [ahead] このコンピューターの時計より先の日付です
       *[other] { $age } 日前です
    }: pfxvault drill --from { -stick }
status-expired = 有効期限が切れています: { $name } ({ $thumbprint })
status-expires-soon = { $name } の有効期限まで{ $left ->
    [0] 残り 1 日未満です
   *[other] あと { $left } 日です
}
status-no-key = バックアップできません: { $name }: { $reason }
status-no-key-known = バックアップしていません(例外として確認済み: { $why }): { $name }
status-not-on-a-medium = まだどの USB メモリにも保存されていません: { $name }。このサーバーが故障すると失われます: pfxvault backup --to { -stick }
status-on-the-way = 第 { $number } 世代は { $age ->
    [ahead] このコンピューターの時計より先の日付で
   *[other] { $age } 日前に
}封緘ファイルにしたままで、まだどの USB メモリにもありません: pfxvault copy --from parcel:ファイル --to { -stick }、または、ここで USB メモリを挿して pfxvault backup --to { -stick }
status-remains-saved = このサーバーに残っている秘密鍵: { $name }({ $thumbprint })。コピーがある USB メモリ: { $media }
status-remains-unsaved = このサーバーに残っている秘密鍵: { $name }({ $thumbprint })。どの USB メモリにもないため、先にバックアップしてください(pfxvault backup --to { -stick })
status-remains-unsavable = このサーバーに残っている秘密鍵: { $name }({ $thumbprint })。どの USB メモリにもなく、バックアップもできません: { $reason }
status-remains-what =
    このサーバーを手放す前に、秘密鍵をすべて削除してください。新しいサーバーが証明書で応答すること(新しいサーバーで pfxvault status --tls)と、
    USB メモリに問題がないこと(pfxvault verify { -stick })を確認してから、ここで管理者の PowerShell に拇印を指定して削除します:
    Get-ChildItem Cert:\LocalMachine -Recurse | Where-Object Thumbprint -eq "拇印" | Remove-Item -DeleteKey
    (certlm.msc で削除されるのは証明書だけで、秘密鍵は残ります。)最後にディスクを消去または破壊してください。削除した秘密鍵は復元できることがあります。
status-orphans = このサーバーのどの証明書にも必要のない秘密鍵が { $count } 個残っています。pfxvault repair で確認してください
status-interrupted = { $when } の処理「{ $what }」は中断されたままです。取り消すには: pfxvault repair
event-needs-attention = pfxvault status: 確認が必要な点が { $count } 件あります
media-retire-holds = USB メモリ { $label } に入っている、このサーバーのキーペア: { $count } 組
media-retire-name = { "  " }{ $name }
media-retire-lost =
    キーペアは暗号化されています。開くにはパスフレーズか復旧キーが必要です。
    それらを USB メモリと一緒に保管していた場合や、パスフレーズを推測されるおそれがある場合は、
    新しい鍵で証明書を再発行し、古い証明書を失効させてください。どちらでもなければ、ほかに必要なことはありません。
media-retire-kept =
    キーペアは暗号化されています。USB メモリは金庫に保管するか、物理的に破壊してください。削除したファイルは読み出せることがあります。
media-retire-question = USB メモリ { $label } の使用をやめますか?
media-retired = 完了: USB メモリ { $label } は使用終了です。残りは { $left } 本です
media-taken-back = 完了: USB メモリ { $label } をまた使います。使用中は { $in_use } 本です
media-was-lost = USB メモリ { $label } は誰の手にあったかわかりません。使う前に検証してください: pfxvault verify "label:{ $label }"
error-out-of-use = { $medium } は使用終了とされた USB メモリ { $label } です。また使う場合: pfxvault media retire "{ $label }" --undo
media-policy = 最新のバックアップは { $min_media } 本の USB メモリに置き、{ $verify_every } か月ごとに検証し、{ $rewrite_after } か月で交換します。
error-no-such-label = { $label } というラベルの USB メモリはありません
    .hint = ラベルを確認してください: pfxvault media list
error-two-labels = { $label } というラベルの USB メモリが複数あります
    .hint = 1 本ずつ挿し、PFXVAULT\MEDIUM.TXT で別々のラベルを付けてください

## Help: status and media
help-status = 何が安全で、何が期限を過ぎ、何が失われるおそれがあるかを 1 画面に表示し、監視用の終了コードを返します。何も変更しません。
help-status-media = あわせて確認する USB メモリ({ -stick } など)
help-status-handing-back = 手放す前に削除すべき、このサーバーに残っている秘密鍵を一覧で表示します
help-status-tls = どの証明書が提示されているかを TLS で確認します。指定しなければこのサーバーのすべてのバインドを、このコンピューター上で確認します
help-status-from = このサーバーのキーペアの場所: iis、folder:フォルダー。Windows サーバーでは iis です
help-status-source-password-file = PFX ファイルのパスワードを 1 行目に書いたファイル
help-status-source-passwords = ファイルごとのパスワードを書いたファイル(CSV。1 行に 名前,パスワード。名前が空の行はどのファイルにも使用)
help-media-add-place = 保管場所("本社の金庫" など)
help-media-retire = USB メモリの使用をやめます。入っているキーペアと、必要な対応を表示します。
help-media-retire-label = pfxvault media list に表示されるラベル
help-media-retire-lost = 紛失した場合(誰が持っているかわからない場合)に指定します
help-media-retire-undo = 見つかった場合や、また使うことにした場合に指定します
help-media-policy = 検証・USB メモリの本数・交換の期限を表示または変更します。
help-media-policy-min-media = 最新のバックアップを置く USB メモリの本数
help-media-policy-verify-every = USB メモリを再び検証するまでの月数
help-media-policy-rewrite-after = USB メモリを新しいものに交換するまでの月数

## The configuration of IIS

error-iis-config = IIS の構成ファイルを読み取れません: { $path }
    .cause = { $reason }
    .hint = パスを確認し、管理者としてもう一度実行してください
config-no-text = UTF-8 または UTF-16 のテキストではありません
config-no-xml = { $line } 行目が、IIS で読み取れる XML ではありません
config-absurd = IIS の構成ファイルとしてあり得ない構造です
config-other = 別のファイルです。最も外側の要素が「{ $element }」ではありません
config-missing = { $line } 行目: 「{ $element }」に「{ $attribute }」がありません
config-bad-value = { $line } 行目: 「{ $attribute }」に「{ $value }」は指定できません

## Sites and bindings

restore-shared-backup = 共有構成は、変更前の内容を次のファイルに保存しました: { $path }
error-shared-not-copied = 共有構成を変更前に保存できませんでした: { $path }
    .cause = { $reason }
    .hint = 何も変更していません。IIS 自身のバックアップには共有構成のファイルが含まれないため、pfxvault が同じフォルダーに保存します。このフォルダーに書き込めるユーザーで実行するか、フォルダーのあるサーバーで実行してください
restore-iis-backup = IIS の現在の構成を IIS 自身のバックアップに保存しました: { $name }(戻す場合: appcmd restore backup { $name })
progress-binding = バインドしています: { $what }
left-binding-changed = 注意: その後に変更されているため、そのままにしました: { $what }
error-not-kept = バインドが書き込んだとおりになっていません: { $what }
    .cause = 読み戻した内容が書き込んだ内容と異なります
    .hint = 元の状態に戻します。IIS マネージャーで確認してから、もう一度実行してください
error-bad-mapping = 「以前=今回」の形式ではありません: { $text }
    .hint = --map のファイルには「site 以前=今回」または「ip 以前=今回」の行を書きます。等号の後が空の場合は対象から外します
cannot-no-certificate = 以前のサーバーで証明書が割り当てられていませんでした
cannot-left-out = 回答どおり、対象から外しました
cannot-no-site = 同じ名前やホスト名のサイトがここにありません。IIS マネージャーで作成するか、--map-site で別のサイトを指定してください
cannot-which-site = 該当するサイトが複数あります: { $sites }。--map-site で 1 つを指定してください
cannot-unknown-binding = IIS だけが理解できる書き方のバインドです
cannot-wildcard = *.example.com のようなホスト名は Windows Server 2016 以降でなければ使えません。このサーバーではホスト名ごとにバインドを作成してください
cannot-old-windows = この Windows は、ホスト名による証明書の選択(SNI)に対応していません
cannot-no-address = アドレス { $ip } がこのサーバーにありません。--map-ip で別のアドレスを指定してください
cannot-central-store = 集中証明書ストアがここで設定されていません。先に IIS マネージャーで設定してください
cannot-certificate-missing = 証明書がここにありません: { $name }
cannot-no-ftp = このサーバーのサイトに FTP のバインドがありません
conflict-other-site = サイト「{ $site }」に同じバインドがあります
conflict-two-certificates = { $endpoint } に対して、バックアップの別のバインドが別の証明書を必要としています
conflict-other-owner = { $endpoint } は別のプログラム({ $owner })が使用しています
bind-keep = すでにバインド済み: { $site }: { $binding }: { $certificate }
bind-add = バインド: { $site }: { $binding }: { $certificate }
bind-replace = バインド: { $site }: { $binding }: { $certificate }({ $replaces } を置き換え)
bind-lower = 注意: バインド: { $site }: { $binding }: 【{ $lower }】{ $certificate }(指定どおり { $replaces } を置き換え)
bind-held = 注意: そのままにします: { $site }: { $binding } は { $serves } を使っています。置き換え後の証明書は【{ $lower }】です: { $certificate }。それでも置き換える場合: --replace-newer { $name }
certificate-ends = { $name }({ $thumbprint }、有効期限 { $day })
certificate-expired = { $name }({ $thumbprint }、{ $day } に期限切れ)
certificate-unknown = { $name }
lower-expired = 期限切れ
lower-not-yet-valid = 有効期間の開始前
lower-self-issued = 自己署名
lower-other-names = 別のホスト名の証明書
lower-older = 古い証明書
replace-newer-question =
    このサーバーは { $serves } を使っています。置き換え後の証明書のほうが適していません:
    { $lines }
    それでも置き換えますか?
replace-newer-line = { $site }: { $binding }: 【{ $lower }】{ $certificate }
bindings-held = 注意: { $count } 件のバインドは、置き換え後の証明書のほうが適していないため、現在の証明書のままです(理由は上のとおりです)。それでも置き換える場合は、{ $options } を付けてもう一度実行してください
help-replace-newer = 古い証明書、期限切れの証明書、別のホスト名の証明書であっても、この証明書を置き換えます。複数回指定できます
error-replaces-nothing = { $name } という名前の証明書はこのサーバーにありません
    .cause = --replace-newer には、古い証明書で置き換えてもよい、このサーバーの証明書を指定します
    .hint = 一覧を確認し、そこにある名前か拇印を指定してください: pfxvault list --from iis
bind-cannot = 注意: バインドできません: { $site }: { $binding }: { $reason }
bind-conflict = 注意: そのままにします: { $site }: { $binding }: { $reason }
bind-address = ・アドレスの変更: { $from } → { $to }
bind-flag-left-out = ・注意: この Windows にない設定のため、省きます: { $flag }
bind-flag-untold = ・参考: 設定 { $flag } がこの Windows で使えるかどうかは公開資料に記載がありません。元のまま書き込みます。HTTP.sys が受け付けなかった場合は最後に表示します
record-flag-refused =
    注意: HTTP.sys が { $endpoint } の設定 { $flag } を受け付けなかったため、この設定を除いて登録しました: { $flag ->
        [disablehttp2] このサーバーでは HTTP/2 が有効です
        [disablequic] このサーバーでは HTTP/3 が無効になっていません
        [disabletls13] このサーバーでは TLS 1.3 が無効になっていません
        [disabletls12] このサーバーでは TLS 1.2 が無効になっていません
        [disablelegacytls] このサーバーでは TLS 1.0 と 1.1 が無効になっていません
        [disableocspstapling] このサーバーでは OCSP ステープリングが有効です
        [disablesessionid] このサーバーではセッション ID による再開が有効です
        [enablesessionticket] このサーバーではセッション チケットが無効です
        [enabletokenbinding] このサーバーではトークン バインドが無効です
        [logextendedevents] このサーバーでは拡張イベントが記録されません
       *[other] この設定の働きは公開されていません
    }
record-kept-otherwise = 注意: HTTP.sys の { $endpoint } は正しい証明書で登録されましたが、書き込んだ設定の一部が異なります(フラグの値 { $flags }: 順に、書き込んだ値、登録された値)。確認するには: netsh http show sslcert
bind-property-left-out = ・注意: HTTP.sys のこの設定は復元しません。復元後に設定するには: { $command }
bind-other-store = ・証明書はストア { $store } のものを使います
bind-central-store = ・証明書は、ここで設定されている集中証明書ストア({ $folder })のものを使います
backup-unused = どのサイトでも使われていないため、{ $count } 組は含めていません: { $names }(すべて保存する場合は --all、一部を保存する場合は名前を指定)
backup-without-sites = 注意: サイトとバインドは保存していません: { $reason }
help-backup-all = サイトで使われていないものも含め、このサーバーのすべてのキーペアを保存します
help-iis-config = サイトとバインドを、この applicationHost.config のコピー(故障したサーバーのディスクなど)から読み取ります
tls-right = OK: { $name } は正しい証明書で応答しました({ $version }、送信された証明書 { $count } 個)
tls-missing = 注意: { $name } は認証局「{ $authority }」の証明書を送信していません。外部のクライアントが接続を拒否することがあります
tls-other = 注意: { $name } は別の証明書のままです: { $served }({ $thumbprint })
tls-nothing = 注意: { $name } が TLS で応答しません: { $reason }
tls-unasked = 注意: { $name } は TLS で応答しますが、このプログラムと共通のバージョンまたは暗号スイートがないため、証明書を確認できませんでした。ブラウザーで確認してください
tls-unproven = 参考: { $name } の証明書は確認できましたが、応答したサーバーに秘密鍵があるかどうかまでは、この接続方法では確認できません
tls-old-version = 注意: { $name } は { $version } までしか使えないため、ブラウザーから接続できません。Windows で TLS 1.2 を有効にしてください(無効になっている理由は、レジストリの SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols で確認できます)
tls-unsteady = 注意: { $name } は正しい証明書で応答しましたが、{ $version } では { $tried } 回のうち { $failed } 回の接続に失敗しました。一部の利用者にエラーが表示されます。原因はイベント ログの「システム」(ソース Schannel)で確認してください
tls-expired = 注意: { $name } の証明書は { $day } に期限が切れており、クライアントが接続を拒否します。更新するには: pfxvault request 名前 --out { -disk }request.txt
tls-expires-soon = 参考: { $name } の証明書の有効期限まで{ $left ->
        [0] 残り 1 日未満です
       *[other] あと { $left } 日です
    }({ $day })
bind-commands =
    同じ変更を手動で行うコマンド(管理者として開いたコマンド プロンプト):
    { $cmd }
    PowerShell の場合:
    { $powershell }
bind-commands-without = 注意: このサーバーの netsh には { $endpoint } の次の設定を行うオプションがありません。pfxvault は書き込みますが、上のコマンドでは設定されません: { $flags }
map-site-question = バックアップのサイト「{ $site }」は、このサーバーのどのサイトですか?
map-ip-question = バックアップのアドレス { $ip } はこのサーバーにありません。どのアドレスを使いますか?
choice-none = どれでもない(対象から外す)
progress-tls = このコンピューター上で、{ $count } 件のバインドの証明書を確認しています
tls-shown = { $name } は { $shown } ({ $thumbprint })を提示しています。有効期限は { $until } です
tls-not-ours = { $name } が提示している { $shown } ({ $thumbprint }、有効期限 { $until })は、このサーバーの証明書ではありません
error-tls-names = このコンピューターには確認できるバインドがありません
    .hint = 確認する相手を指定してください: pfxvault status --tls www.example.com
error-tls-name = ホスト名、または「ホスト名:ポート」の形ではありません: { $name }
    .hint = www.example.com または www.example.com:8443 のように書いてください
tls-restart = サイトを再起動するには、管理者として開いたコマンド プロンプトで { $stop } の後に { $start } を実行してください
restart-question = 新しい証明書で応答するように、次のサイトを今すぐ再起動しますか?(接続は切断されます): { $sites }
restore-automatic-rebind = 注意: 以前のサーバーでは、更新された証明書の自動再バインドが有効でしたが、このサーバーでは有効ではありません。有効にするには、IIS マネージャーの「サーバー証明書」で「更新された証明書の自動再バインドを有効にする」を選んでください
restore-no-iis = 注意: このサーバーには IIS がインストールされていないため、バインドできません
restore-not-bound = 証明書はまだバインドされていません。IIS マネージャーでバインドするか、サイトを用意してから --keys-only を付けずにもう一度復元してください。
restore-no-sites = どのサイトで使うかの情報がないため、証明書はまだバインドされていません。IIS マネージャーでバインドするか、以前のサーバーの applicationHost.config のコピーを --iis-config で指定してください。
restore-bound = 完了: { $count } 件のバインドがバックアップの証明書を使っています
restore-unbound = 注意: { $count } 件のバインドは作成していません。理由は上のとおりです
restore-not-restored =
    復元していないもの: サイトのコンテンツとアプリケーション プール、TLS を使わないバインド、「SSL が必要」の設定、ファイアウォール、DNS、TLS の設定
    以前のサーバーに残っている秘密鍵を確認する場合(以前のサーバーで): pfxvault status --handing-back
    すべて取り消す場合: pfxvault undo
other-use = 参考: { $program } もこの証明書を使っています: { $name }({ $thumbprint })。キーペアは、IIS のものと同じくバックアップの対象です。{ $program } の設定は変更しません
other-use-nowhere = 参考: { $program } に設定されている証明書({ $thumbprint })は、このサーバーのどのストアにもないため、バックアップできません。{ $program } で今も必要かどうかを確認してください
other-use-silent = 参考: このサーバーには { $program } があります。どの証明書を使うかは { $program } 自身が管理しているため、バックアップではわかりません。復元後に確認し、必要なら設定してください
restore-other-use-silent = 参考: 以前のサーバーには { $program } がありました。どの証明書を使っていたかは、バックアップではわかりません。復元後に確認し、必要なら設定してください
status-other-use = このサーバーの { $program } は { $name }({ $thumbprint })をまだ使っています。サーバーを返却する前に、新しいサーバーで設定してください。方法は復元したときの表示にあります
renewer-seen = 参考: このサーバーでは { $program } が証明書を更新しています: { $places }。更新に必要な設定はバックアップに含まれません。新しいサーバーにインストールし、証明書の有効期限が切れる前に更新を設定し直してください
set-remote-desktop-powershell = ・wmic がない場合(PowerShell): Set-WmiInstance -Path (Get-WmiObject Win32_TSGeneralSetting -Namespace root\cimv2\TerminalServices -Filter "TerminalName='RDP-tcp'").__PATH -Argument @{"{"}SSLCertificateSHA1Hash="{ $thumbprint }"{"}"}
set-winrm = ・PowerShell: Set-WSManInstance -ResourceURI winrm/config/Listener -SelectorSet @{"{"}Address="{ $address }";Transport="HTTPS"{"}"} -ValueSet @{"{"}CertificateThumbprint="{ $thumbprint }"{"}"}
set-sql-server = ・SQL Server 構成マネージャー、{ $instance } のプロトコル、プロパティ、証明書。サービスのアカウントが秘密鍵を読み取れるようにし、サービスを再起動します
set-iis-management = ・IIS マネージャー、サーバー、管理サービス: 停止し、SSL 証明書を選び、適用して開始します
set-sstp = ・PowerShell: Set-RemoteAccess -SslCertificate (Get-Item Cert:\LocalMachine\My\{ $thumbprint })
set-nps = ・ネットワーク ポリシー サーバー、ポリシー、ネットワーク ポリシー、PEAP または EAP-TLS を使う各ポリシー: 制約、認証方法、編集、証明書
set-ad-fs = ・PowerShell: Set-AdfsSslCertificate -Thumbprint { $thumbprint }
set-reporting-services = ・レポート サーバー構成マネージャー、Web サービス URL と Web ポータル URL、HTTPS 証明書
set-rd-gateway = ・PowerShell: Import-Module RemoteDesktopServices; Set-Item RDS:\GatewayServer\SSLCertificate\Thumbprint -Value { $thumbprint }; Restart-Service TSGateway
set-exchange = ・Exchange 管理シェル: Get-ExchangeCertificate で確認し、Enable-ExchangeCertificate -Thumbprint { $thumbprint } -Services SMTP,IMAP,POP で設定します
restore-other-use = 参考: 以前のサーバーでは { $program } も { $name } を使っていました。pfxvault はこの設定を変更しません。復元後に、証明書 { $thumbprint } を設定してください
set-remote-desktop = ・wmic /namespace:\\root\cimv2\TerminalServices PATH Win32_TSGeneralSetting Set SSLCertificateSHA1Hash="{ $thumbprint }"
restore-maybe-renewed = 注意: { $name } の証明書は{ $left ->
        [0] あと 1 日以内に
       *[other] あと { $left } 日で
    }期限が切れます({ $day })。このバックアップの後に更新されている可能性があります
restore-expired = 注意: { $name } の証明書(拇印 { $thumbprint })は { $day } に期限が切れており、クライアントが接続を拒否します。更新後の証明書がほかのバックアップにないか確認するか(pfxvault contents { $name })、更新してください: pfxvault request { $name } --out { -disk }request.csr
undo-bindings = 変更した証明書割り当てとバインド { $count } 件も元に戻します
error-shared-configuration = このサーバーの IIS は、ほかのサーバーと構成を共有しています: { $folder }
    .cause = バインドを変更すると、共有構成を使うすべてのサーバーに影響します
    .hint = すべてのサーバーを対象にする場合は --farm、証明書だけの場合は --keys-only を付けてください
error-map-file = 回答のファイルを使えません: { $path }
    .cause = { $reason }
    .hint = 書き込めるフォルダーのファイルを指定してください: --map { -disk }map.txt
error-report = 作業記録を書き込めません: { $path }
    .cause = { $reason }
    .hint = 画面の結果は有効です。画面の内容を作業記録に転記してください
report-head = pfxvault { $what }、{ $time }、{ $server }、{ $user }
report-end = 終了コード { $exit }
help-restore-keys-only = 証明書と秘密鍵のインポートだけを行い、バインドはしません
help-restore-map-site = バックアップのサイトと、ここで対応するサイト。複数回指定できます
help-restore-map-ip = バックアップのアドレスと、ここで対応するアドレス。複数回指定できます
help-restore-map = 対応付けの回答のファイル。画面での回答もここに追加します
help-farm = ほかのサーバーと共有している構成でも変更します
help-restore-provider = RSA の秘密鍵の保存先: csp は「Microsoft RSA SChannel Cryptographic Provider」(Exchange や AD FS など古いプログラム向け)、ksp は「Microsoft Software Key Storage Provider」。指定しない場合は以前のサーバーと同じ種類、それがわからないときは Windows Server 2022 以降なら ksp、それより前なら csp
help-request-provider = 秘密鍵の保存先: csp は「Microsoft RSA SChannel Cryptographic Provider」(Exchange や AD FS など古いプログラム向け)、ksp は「Microsoft Software Key Storage Provider」。指定しない場合は Windows Server 2022 以降なら ksp、それより前なら csp
help-restore-print-commands = 同じ変更を行う Windows のコマンドも表示します
help-change-report = 作業記録の新しいファイル: 実行計画、回答、すべての変更、TLS の確認結果

## Requests and their answers

help-request = 新しい秘密鍵と、認証局に送る CSR を作成します。届いた証明書は install でインストールします。
help-request-hosts = 証明書のホスト名(ワイルドカードは *.example.com)。最初の名前がコモンネームになります
help-request-out = CSR を保存するファイル。既存のファイルは上書きしません
help-friendly-name = IIS マネージャーに表示されるフレンドリ名
help-install = 認証局から届いた証明書を秘密鍵に関連付け、証明書ストアに入れ、バックアップします。
help-install-response = 認証局から届いたファイル: PKCS#7、証明書、それらの入った ZIP ファイル、または保存したメール全体
help-install-store = 証明書ストア: personal(個人。既定)または webhosting(Web ホスティング)
help-install-to = 続けてバックアップする USB メモリ(例: { -stick })
help-request-organization = 組織名(登記上の名称。O)
help-request-organizational-unit = 部署名(OU)。省略する認証局もあります
help-request-locality = 市区町村(L)
help-request-province = 都道府県(ST)
help-request-country = 国(JP などの 2 文字。C)
request-plan = 要求の内容: { $subject }、ホスト名: { $names }、秘密鍵の保存先: { $provider }
error-subject = { $option } に「{ $value }」は指定できません
    .cause = 国は英字 2 文字、組織名と部署名は 64 文字、市区町村と都道府県は 128 文字までで、改行は使えません
    .hint = 認証局に登録したとおりに指定してください
request-done = 完了: { $name } の CSR を { $path } に保存しました。このファイルを認証局に送ってください。
request-next =
    秘密鍵はこのサーバーにしかなく、失うと証明書を使えません。証明書が届く前に、今バックアップしてください:
    pfxvault backup --from iis --to { -stick }
    証明書が届いたら: pfxvault install ANSWER.TXT
request-unsaved = 注意: { $name } の保留中の要求があり、秘密鍵がまだバックアップされていません。バックアップしてください: pfxvault backup --from iis --to { -stick }
plan-install = インストール: { $name } → ストア { $store }(フレンドリ名「{ $friendly_name }」)。このサーバーにある秘密鍵に関連付けます
install-pending = { $name } の保留中の要求が見つかりました。
install-request-deleted = { $name } の保留中の要求は削除されていますが、秘密鍵はこのサーバーに残っています。この秘密鍵を使います。
install-used-before = { $name } の CSR には、以前にも証明書が発行されています。秘密鍵はこのサーバーにあるので、もう一度使います。
install-answered = 秘密鍵と証明書が一致することを署名して確認した後、保留中の要求を削除します
install-question = 証明書をインストールしますか?
install-done = 完了: { $name } をストア { $store } に入れ、秘密鍵と証明書が一致することを、署名して確認しました({ $thumbprint })
install-already = { $name } はすでにストア { $store } にあり、秘密鍵も使えます。変更はありません。
install-only-here = 注意: このキーペアは、バックアップするまでこのサーバーにしかありません: pfxvault backup --from iis --to { -stick }
outbox-sealed = 封緘しました: 第 { $number } 世代をこのサーバーに一時保管しました(USB メモリへの保存待ち)。次に USB メモリへバックアップするときに一緒に保存します
request-not-sealed = 注意: 要求の秘密鍵を封緘し、一時保管する(USB メモリへの保存待ち)ことができませんでした: { $reason }
install-not-saved = 注意: 証明書はインストールしましたが、バックアップできませんでした: { $reason }
error-host-name = ホスト名ではありません: { $name }
    .cause = 証明書には www.example.com や *.example.com のような名前が必要です。日本語のドメイン名も指定できます
    .hint = 名前を確認してください
error-request-exists = { $path } はすでにあります
    .cause = 別の要求の CSR かもしれません。1 つの秘密鍵を 2 つの CSR に使うことはありません
    .hint = --out に別の名前を指定してください
error-request-file = CSR を { $path } に保存できません。新しい秘密鍵は削除しました
    .cause = { $reason }
    .hint = --out に別の場所を指定してください
error-request-failed = CSR を作成できませんでした
    .cause = 秘密鍵を生成できなかったか、証明書に入れられないホスト名があります
    .hint = ホスト名を確認し、pfxvault selftest で、このサーバーで使える機能を確認してください
error-answer-none = { $path } に証明書がありません
    .cause = 証明書でも PKCS#7 でも、それらを含むメールや圧縮ファイルでもありません
    .hint = 認証局からのメール全体、またはその添付ファイルを保存してください
error-answer-damaged = { $path } は途中で切れているか、破損しています
    .cause = 証明書の始まりはありますが、終わりがありません
    .hint = 認証局からのメールを、もう一度最後まで保存してください
error-answer-instead = { $path } に証明書がありません
    .cause = { $seen }
    .hint = 証明書が入っているファイルを保存し、そのファイルを指定してください: pfxvault install ファイル
answer-revocation-list = 証明書の失効リストです
answer-closed-archive = 圧縮ファイルにパスワードが設定されているか、破損しているか、対応していない形式です。先に展開してください
answer-other-files = 中のファイルや添付ファイルに、証明書はありません: { $names }
answer-html-mail = 証明書を含まない HTML メールです。添付ファイルはここに含まれていません
answer-mail = 証明書を含まないメールです。添付ファイルはここに含まれていません
error-answer-request = { $path } は CSR(証明書の署名要求)です。発行された証明書ではありません
    .cause = 証明書は、認証局が CSR をもとに発行して返送します
    .hint = CSR を認証局に送り、届いたファイルを pfxvault install に指定してください
error-answer-pfx = { $path } は PFX ファイルです。認証局から届いたファイルではありません
    .cause = PFX には秘密鍵が含まれています。install は、秘密鍵がすでにこのサーバーにある証明書のためのコマンドです
    .hint = IIS マネージャーの「サーバー証明書」でインポートしてから、バックアップを取ってください: pfxvault backup --from iis --to { -stick }
error-answer-key = { $path } は秘密鍵です。認証局から届いたファイルではありません
    .cause = 認証局から届くのは証明書です。秘密鍵が届くことはありません
    .hint = 認証局からのメール、またはその添付ファイルを保存し、そのファイルを指定してください
error-answer-unreadable = { $path } の証明書を読み取れません
    .cause = 最初から最後までそろっていますが、内容が証明書の形式になっていません
    .hint = もう一度保存してください。それでも読み取れない場合は、認証局に再発行を依頼してください
error-answer-leaf-unreadable = 届いた証明書のうち { $count } 個を読み取れず、残りの証明書の秘密鍵はこのサーバーにありません
    .cause = 読み取れないものが、このサーバーの証明書と考えられます
    .hint = 認証局から届いたファイルをもう一度保存してください。それでも読み取れない場合は、認証局に再発行を依頼してください
install-unreadable = 注意: 届いた { $count } 個の証明書のうち { $place } 個目を読み取れないため、除外します({ $thumbprint })
install-cut-off = 注意: 届いた { $count } 個の証明書のうち { $place } 個目は途中で切れているか破損しているため、除外します
error-answer-too-large = { $path } は、認証局から届いたファイルとしては大きすぎます
    .hint = パスを確認してください
error-answer-elsewhere = { $name } の秘密鍵がこのサーバーにありません({ $thumbprint })
    .cause = CSR を別のサーバーで作成したか、秘密鍵が削除されています
    .hint = CSR を作成したサーバーで実行するか、先に要求をバックアップから復元してください: pfxvault restore --from { -stick } --to iis。どちらもできない場合は、新しい CSR を作成し(pfxvault request)、再発行を依頼してください
error-answer-key-lost = { $name } の保留中の要求はありますが、秘密鍵が使えません
    .cause = { $reason }
    .hint = 要求をバックアップから復元してください: pfxvault restore --from { -stick } --to iis。できない場合は、新しい CSR を作成し(pfxvault request)、再発行を依頼してください
cannot-names-missing = 新しい証明書には、現在の証明書にある次のホスト名がありません: { $names }
cannot-shared = このサーバーの IIS は、ほかのサーバーと構成({ $folder })を共有しています。すべてのサーバーを対象にする場合は --farm を付けてください
cannot-address-not-here = アドレス { $ip } がこのサーバーにありません
conflict-endpoint-taken = { $endpoint } では、ほかのサイトも使う別の証明書が応答します: { $certificate }
error-no-site = この名前のサイトがありません: { $site }
    .cause = このサーバーのサイト: { $sites }
    .hint = IIS マネージャーに表示される名前を指定してください: --site "Default Web Site"
install-not-bound = 同じホスト名の証明書を使うバインドがないため、バインドは変更しません。バインドする場合は、--site "Default Web Site" を付けてもう一度実行してください(ホスト名によるバインドには --sni、IP アドレスを限定する場合は --ip も付けます)
help-install-site = 現在の証明書にかかわらず、このサイトにバインドします。複数回指定できます
help-install-no-bind = 証明書ストアに入れるだけで、バインドは変更しません
help-install-ip = 追加するバインドの IP アドレス(指定しない場合はすべて)
help-install-sni = ホスト名によるバインドを追加します(「サーバー名表示を要求する」)
help-restart-site = 以前の証明書で応答し続けるサイトを再起動します(接続は切断されます)
progress-restart = サイト「{ $site }」を再起動しています
site-not-restarted = 注意: サイト「{ $site }」を再起動できませんでした: { $reason }

## Parcels

reason-parcel-size = 途中で切れているか、大きすぎます
reason-parcel-form = 封緘ファイルの決まった形式ではありません
reason-parcel-path = 封緘ファイルに含まれないはずのものがあります: { $path }
reason-parcel-generation = 完全な世代が 1 つだけ入っている状態ではありません
reason-parcel-not-whole = 内容が破損しているか、登録サーバーが作成したものではありません
parcel-sealed =
    封緘しました: { $total } 組中 { $saved } 組のキーペアを封緘ファイル { $path } に入れました(第 { $number } 世代)。まだバックアップとしては数えません
    次に: 保管庫の USB メモリがあるコンピューターに運び、コピーしてください: pfxvault copy --from parcel:{ $path } --to { -stick }
parcel-on-share =
    参考: { $path } はほかの人も開ける場所にあります。封緘ファイルを開くにはパスフレーズか復旧キーが必要なため、一時的に置くことができます。
    早めに USB メモリにコピーし、ここからは削除してください。
backup-delivered = 完了: このサーバーに一時保管していた世代 { $generation } を USB メモリに保存しました
backup-stuck =
    注意: このサーバーに一時保管している封緘ファイルを USB メモリに保存できませんでした: { $path }({ $reason })
    ファイルは残しています。別の USB メモリでもう一度バックアップしてください。それでも失敗する場合は、今回のバックアップが代わりになります。
copy-refused =
    注意: コピーしていません: { $medium } の { $path } は、この保管庫に書き込めるサーバーが作成したものではありません
    登録サーバーが作成したものに影響はありません。このメディアやファイルを誰が扱ったか確認してください。
error-parcel-unreadable = 封緘ファイル { $path } を読み取れません
    .cause = { $reason }
    .hint = パスと読み取り権限を確認してください
error-parcel-flaw = { $path } は封緘ファイルではないか、破損しています
    .cause = { $reason }
    .hint = 作成したサーバーからもう一度受け取るか、そのサーバーで新しく作成してください: pfxvault backup --to parcel:ファイル
error-parcel-exists = { $path } がすでに存在するため、何も書き込みませんでした
    .hint = 封緘ファイルは必ず新しいファイルに書き込みます。別の名前を指定してください
error-parcel-unwritable = 封緘ファイル { $path } を書き込めないため、途中のものは削除しました
    .cause = { $reason }
    .hint = 空き容量と書き込み権限のある場所を指定してください: --to parcel:ファイル
error-parcel-too-large = 封緘ファイル { $path } が大きくなりすぎるため、何も書き込みませんでした
    .hint = キーペアを名前で指定して少しずつバックアップするか、USB メモリを使ってください
error-parcel-no-medium = { $medium } は封緘ファイルです。このコマンドは USB メモリに書き込みます
    .hint = 先に USB メモリにコピーしてください: pfxvault copy --from { $medium } --to { -stick }

## Enrolment of many servers

help-servers-request = このサーバーの登録を申請します。署名用の鍵と、秘密を含まない小さなテキスト ファイルを作成します。
help-servers-request-file = 申請を書き込む新しいファイル
help-servers-add = 申請ファイルのサーバーを、1 回のパスフレーズでまとめて登録します。
help-servers-add-files = pfxvault servers request で作成した申請ファイル
help-servers-add-to = 登録を書き込む保管庫の USB メモリ(例: { -stick })。複数回指定できます
help-servers-add-answer = USB メモリを運べないサーバーに渡す回答の新しいファイル(全サーバー共通)
help-servers-accept = 申請への回答を受け取り、このサーバーの登録を完了します。パスフレーズは不要です。
help-servers-accept-from = pfxvault servers add --answer で作成したファイル、または保管庫の USB メモリ(例: { -stick })
help-servers-accept-vault = 復旧手順書にある保管庫のフィンガープリント(先頭部分の入力の代わり)
enrolment-request-done =
    完了: このサーバー({ $server })の申請を { $path } に書き込みました。秘密は含まれていません
    フィンガープリント(登録のときに照合します): { $fingerprint }
    次に: 保管庫の USB メモリがあるコンピューターにファイルを運び、登録してください: pfxvault servers add { $path } --to { -stick }
enrol-offer = このサーバーはどの保管庫にも登録されていないため、自身のバックアップを作成できません。登録の申請を今作成しますか?
enrol-later =
    このサーバーはどの保管庫にも登録されていないため、自身のバックアップを作成できません。登録するには: pfxvault servers join { -stick }
    パスフレーズがない場合や USB メモリに書き込めない場合: pfxvault servers request ファイル
prompt-request-file = 申請を書き込む新しいファイル [{ $usual }]:
enrol-not-requested = 注意: 復元は完了しましたが、登録の申請は作成できませんでした: { $reason }。後で作成する場合: pfxvault servers request ファイル
enrol-plan = 新規: { $name }({ $server })、フィンガープリント { $fingerprint }
enrol-known = 登録済み: { $name }({ $server })
enrol-same-name = 注意: 複数の申請のサーバー名が { $name } です。それぞれのサーバーの画面でフィンガープリントを照合してください
enrol-question = { $count } 台のサーバーが保管庫に書き込めるようにしますか?(フィンガープリントが各サーバーの画面と同じか確認してください)
enrol-done =
    完了: { $count ->
        [0] 新しいサーバーはありません(すべて登録済みです)
       *[other] { $count } 台のサーバーを登録しました
    }
    次に、各サーバーで: pfxvault servers accept { $from }
accept-vault = 保管庫: SHA256:................{ $shown }
prompt-vault = 復旧手順書または封筒の控えから、「SHA256:」に続く最初の { $count } 文字を入力してください:
error-request-unwritable = 申請 { $path } を書き込めません
    .cause = { $reason }
    .hint = 書き込み権限のあるフォルダーに、新しいファイル名を指定してください
error-request-flaw = { $path } はサーバーの申請ではないか、変更されています
    .hint = サーバーで作成し直し(pfxvault servers request ファイル)、変更せずに運んでください
error-request-same-id = 申請の ID が別のサーバー({ $server })と同じですが、鍵が異なるため、何も変更しませんでした
    .cause = 偶然にはまず起こりません。別のサーバーになりすまそうとしている可能性があります
    .hint = 申請の出どころを確認し、そのサーバーで空のフォルダーを指定して作成し直してください: pfxvault servers request ファイル --state { -disk }pfxvault-new
error-request-closed = { $name }({ $server })は登録を終了しており、元に戻せないため、何も変更しませんでした
    .hint = そのサーバーで空のフォルダーを指定して申請し直してください: pfxvault servers request ファイル --state { -disk }pfxvault-new
error-no-request = このサーバーはまだ登録を申請していません
    .hint = 先に申請してください: pfxvault servers request ファイル
error-not-admitted = このサーバー({ $server })は { $medium } に登録されていません
    .cause = 申請がまだ追加されていないか、回答が古いか、登録が終了しています
    .hint = 保管庫のあるコンピューターで申請を追加してください: pfxvault servers add ファイル --to { -stick } --answer ファイル
error-vault-unconfirmed = 対話できないため、正しい保管庫かどうかを確認できません
    .cause = 回答や、鍵で開いた内容だけでは、誰の保管庫か証明できません
    .hint = 復旧手順書または封筒の控えのフィンガープリントを指定してください: --vault SHA256:...(--age-key-file の場合は --fingerprint SHA256:...)
error-not-acknowledged = 本来の保管庫であることを確認できないため、使用しませんでした
    .hint = フィンガープリントを復旧手順書と照合してください。コマンドで指定する場合: --fingerprint SHA256:...
error-vault-differs = 控えと異なる保管庫のため、何も変更しませんでした
    .hint = 使わないでください。保管庫の管理責任者から、別の経路で受け取り直してください

## Ending rights

help-servers-retire = サーバーが保管庫に書き込む権限を完全に終了します。パスフレーズを入力します。
help-servers-retire-server = サーバーの ID または名前
help-servers-retire-to = 書き込み先となる保管庫の USB メモリ(例: { -stick })。複数回指定できます
help-servers-retire-last = 有効とする最後の世代の番号または日付(省略時は、指定された USB メモリで最も新しい完全な世代)
help-servers-retire-compromised = 鍵が盗まれた可能性があるため、このサーバーの世代をすべて無効にします
help-access-change-passphrase = 新しいパスフレーズを作り、開けることを確認します。以前のパスフレーズ(または復旧キー)を入力します。
help-access-change-passphrase-to = 新しいパスフレーズの追加先となる保管庫の USB メモリ(例: { -stick })
help-access-change-passphrase-new-passphrase-file = 新しいパスフレーズを 1 行目に書いたファイル(入力の代わり)
help-access-change-passphrase-examples =
    pfxvault access change-passphrase --to { -stick }
        入力しやすいものに変えます(先に以前のパスフレーズを入力)
    pfxvault access change-passphrase --to { -stick } --recovery-key
        以前のパスフレーズを忘れたため、封筒の復旧キーで開きます
help-access-retire = 別の担当者の公開鍵を終了し、これ以降のバックアップを復号できないようにします。パスフレーズを入力します。
help-access-retire-id = age 公開鍵(age1...)またはその先頭部分(pfxvault access list で確認できます)
help-access-retire-to = 書き込み先となる保管庫の USB メモリ(例: { -stick })。複数回指定できます
retire-server-plan = { $name }({ $server })は書き込めなくなります。第 { $number } 世代までは有効で、それより大きい番号の世代は無効になります
retire-server-plan-none = { $name }({ $server })は書き込めなくなり、すべての世代が無効になります(復元の対象にもなりません)
retire-later = 注意: ここにある世代 { $generation } は無効になります
retire-access-plan =
    これ以降のバックアップは { $key } で復号できなくなります。
    以前のバックアップは、鍵の持ち主がコピーを持っているか手に入れれば、引き続き復号できます。
    --decrypt-only を付けずに追加した鍵は、どの USB メモリの保管庫も引き続き開けます。取り消すには新しい保管庫が必要です: pfxvault create { -stick } --replace
retire-re-issue-headline = 次の { $count } 組のキーペアは、ほかの人に知られているか、そのおそれがあります。新しい鍵で再発行し、もう一度バックアップしてください。
retire-re-issue = ・{ $name }({ $thumbprint })、{ $day } まで有効
retire-unread = 注意: 世代 { $generation } の内容を読み取れないため、そのキーペアは一覧にありません
retire-question = 完全に終了しますか?(元に戻せません)
declare-refused =
    注意: { $medium } には書き込めず、まだ反映されていません({ $reason })
    ほかの USB メモリから最新にしてください: pfxvault copy --from { -stick } --to { $medium }
retire-done =
    完了: 指定された USB メモリに書き込みました。各サーバーは、この USB メモリへの次のバックアップから従います
    次に: ほかの USB メモリを 1 本ずつ最新にしてください: pfxvault copy --from { -stick } --to { -second-stick }
error-unknown-server = ID または名前が { $name } のサーバーがこの保管庫にないか、複数あります
    .hint = いずれかの ID を指定してください: pfxvault servers list { -stick }
help-servers-rename = このサーバーの保管庫での名前を変更するか、今の名前を管理責任者が認めた名前にします。パスフレーズを入力します。
help-servers-rename-name = 新しい名前
help-servers-rename-to = 書き込み先となる保管庫の USB メモリ(例: { -stick })。複数回指定できます
rename-question = このサーバー({ $server })の名前は { $old } です。第 { $number } 世代から { $name } に変更しますか?
rename-done =
    完了: 第 { $number } 世代から { $name } になります。それより前の世代は当時の名前のままです
    次に: ほかの USB メモリを 1 本ずつ最新にしてください: pfxvault copy --from { -stick } --to { -second-stick }
help-servers-admit = 登録の記録が破損したか失われたサーバーを再び登録し、そのバックアップを復元できるようにします。パスフレーズを入力します。
help-servers-admit-key = サーバーの鍵のフィンガープリント。控えにあるもの、またはそのサーバーの画面に表示されるもの(先頭から 16 文字以上)
help-servers-admit-to = そのサーバーの世代があり、書き込み先にもなる保管庫の USB メモリ(例: { -stick })。複数回指定できます
admit-plan = { $server }、フィンガープリント { $fingerprint }: { $count } 個の世代があります。登録すると有効になり、このサーバーは保管庫に書き込めるようになります。
admit-maybe-closed = 注意: 破損しているか管理責任者のものではない記録に、{ $server } の登録を終了したと書かれています。鍵が盗まれた場合や、わからない場合は、登録しないでください
admit-statements-lost = 注意: 保管庫の管理責任者の記録が { $count } 件、破損しているか不足しています。その中に、このサーバーの登録を終了した記録が含まれていた可能性があります。先にほかの USB メモリを確認してください
admit-question = 登録しますか?(フィンガープリントが控えまたはサーバーの画面と同じか確認してください)
admit-done =
    完了: { $server } を登録しました
    次に: 内容を確認してから復元してください: pfxvault contents --from { -stick } --server { $server }
error-fingerprint-short = { $text } はフィンガープリントとして短すぎるため、何も変更しませんでした
    .hint = 控えまたはサーバーの画面のとおり、{ $count } 文字以上を指定してください: SHA256:...
error-admitted-already = { $server } はすでに登録されているため、何も変更しませんでした
    .hint = 内容の確認: pfxvault contents --from { -stick } --server { $server }
error-admit-unknown = 登録されていないサーバーの世代のうち、このフィンガープリントの鍵で署名されたものが { $medium } にないため、何も変更しませんでした
    .hint = 1 文字ずつ控えまたはサーバーの画面と照合し、そのサーバーの世代がある USB メモリを指定してください
error-admit-closed = { $server } は登録を終了しており、元に戻せないため、何も変更しませんでした
    .cause = この USB メモリ、またはこのコンピューターにある保管庫の管理責任者の記録で、書き込む権限が終了しています
    .hint = 引き続き使う場合は、新しいサーバーとして登録してください。そのサーバーで: pfxvault servers join { -stick } --state { -disk }pfxvault-new
error-retire-nothing = サーバー { $server } の最後の世代にできる完全な世代が、指定された USB メモリにありません
    .hint =
        その世代がある USB メモリを指定するか、別の世代を指定してください: --last 42
        すべての世代を無効にする場合: --compromised
error-retire-two = この番号には、内容の異なるバックアップが 2 つあります: { $numbers }
    .hint = 有効とする最後の世代を、--last に続けて次のどれかで指定してください: { $numbers }
error-already-retired = { $name } はすでに終了しているため、何も変更しませんでした
    .hint =
        現在有効なもの: pfxvault servers list { -stick } および pfxvault access list { -stick }
        まだ反映されていない USB メモリがある場合: pfxvault copy --from { -stick } --to { -second-stick }
error-unknown-access = 新しいバックアップを復号できる公開鍵に { $id } がないか、複数が該当します
    .hint = 全体か、12 文字以上を指定してください: pfxvault access list { -stick } で確認できます
error-retire-own-key = これは保管庫そのものの鍵(パスフレーズと復旧キーで使うもの)のため、何も変更しませんでした
    .hint = この鍵がないと、新しいバックアップを誰も開けません。盗まれた場合は、新しい保管庫を作り、すべての証明書を再発行してください
error-retire-way-in = パスフレーズや復旧キーは取り消せないため、何も変更しませんでした
    .cause = USB メモリのコピーは、すべて以前のパスフレーズや復旧キーで開けるままです
    .hint =
        パスフレーズを変えるには: pfxvault access change-passphrase --to { -stick }
        第三者に知られた場合は、新しい保管庫を作り(pfxvault create { -second-stick } --replace)、すべての証明書を再発行してそちらにバックアップしてください

column-site = サイト
column-binding = ホスト名:ポート
column-certificate = 証明書
list-automatic-rebind = Windows が証明書を更新すると、新しい証明書が自動でバインドされます(自動再バインドが有効です)。
list-sites-headline = サイトは { $count } 個、証明書を使うバインドは { $bindings } 件です。
list-sites-unread = 注意: サイトとバインドを読み取れません: { $reason }
site-no-certificate = 注意: { $site }: { $binding } に証明書がないため、接続が切断されます
site-falls-back = 注意: { $site }: { $own } に専用の証明書がないため、{ $endpoint } の証明書が使われます
site-certificate-missing = 注意: { $site }: { $binding } の証明書がストアにありません({ $thumbprint })
site-certificate-keyless = 注意: { $site }: { $binding } の証明書の秘密鍵が使えません: { $name }。pfxvault repair を実行するか、バックアップから復元してください
site-certificate-expired = 注意: { $site }: { $binding } の証明書は { $day } に期限が切れています: { $name }
site-shadowed = 注意: { $endpoint } に専用の証明書があり、{ $names } の証明書の代わりに使われることがあります
site-serves-every-name = 注意: { $site }: { $binding } にはアドレスもホスト名もないため、ほかのサイトにないすべての名前にこのサイトが応答します
backup-assigned = { $path } にはバインドの証明書が記録されていないため、{ $count } 件のバインドにホスト名で証明書を割り当てました。

## Handling rules: where a place is, and what is wrong with it

seen-synced = { $program } で同期されていると思われるフォルダー({ $folder })
seen-shared = ほかのコンピューターと「{ $share }」として共有されている場所({ $folder })
seen-served = このサーバーの Web サイトで公開されている場所({ $folder })
seen-mail-store = メール ソフトの保存場所({ $folder })
seen-unknown = 何に保存されるのか、システムから確認できない場所({ $reason })
seen-fixed-disk = このコンピューターの内蔵ディスク({ $file_system })
rule-warning = 注意: 取り扱いルール { $rule }: { $path } は{ $seen }です
error-rule-no-email = 取り扱いルール「メール添付の禁止」(no-email)により中止しました: { $path }
    .cause = { $place } は{ $seen }です。メールを受け取る人や保存する人に、キーペアが渡ります
    .hint = USB メモリか、このサーバーのフォルダーを使ってください。やむを得ない場合は理由を付けます: --accept no-email="理由"
error-rule-no-handover = 取り扱いルール「第三者への受け渡し禁止」(no-handover)により中止しました: { $path }
    .cause = { $place } は{ $seen }です。Web サイトにアクセスできる人は誰でも、ここにあるファイルを取得できます
    .hint = Web サイトの外のフォルダーを使ってください。やむを得ない場合は理由を付けます: --accept no-handover="理由"
backup-one-device = 注意: { $media } は同じデバイスにあるため、1 本と数えます。故障すると、すべて一度に失われます

## Audit

help-audit = 5 つの取り扱いルールが守られているか、期限を過ぎていないかを、根拠とともに点検します。散在する鍵ファイルも探します。
help-audit-media = 点検する USB メモリ(例: { -stick })
help-audit-html = 監査レポートを、保存や印刷のできる 1 ページの新しいファイルにも書き込みます
help-audit-scan = 指定したファイルとフォルダーから、メールや圧縮ファイルの中も含めて秘密鍵を探します。鍵の内容は表示しません
help-audit-rules = 指定した取り扱いルールだけを点検します(例: other-medium,password-kept)。省略するとすべてを点検し、未確認のルールがあれば終了コードは 8 になります
progress-scanned = { $count } 個のファイルを調べました
rule-no-email = メール添付の禁止
rule-no-shared-drive = 共有ドライブ保存の禁止
rule-other-medium = 別メディアへの保管
rule-no-handover = 第三者への受け渡し禁止
rule-password-kept = パスワードの管理
level-note = 参考
level-unknown = 未確認
level-kept = 適合
level-not-found = 見つからず
level-set-aside = 例外
level-attention = 要確認
level-broken = 違反
audit-good =
    OK: 取り扱いルール { $total } 件中 { $looked_at } 件を点検しました。点検した範囲では、違反も、期限を過ぎたものもありません{ $set_aside ->
        [0] {""}
       *[other] (例外 { $set_aside } 件)
    }。
audit-bad =
    注意: 取り扱いルール { $total } 件中 { $looked_at } 件を点検しました。違反 { $broken } 件、要確認 { $attention } 件(期限を過ぎたもの、失われるおそれのあるもの)、例外 { $set_aside } 件、未確認 { $unknown } 件です。
audit-rule =
    { $level }: { $rule }({ $id })
audit-evidence = ・{ $level }: { $evidence }
audit-set-aside = このルールは例外になっています: { $reason }(登録: { $by }、{ $time }、{ $until ->
        [none] 期限なし
       *[other] 期限: { $until }
    })
audit-not-scanned = 散在する鍵ファイルは調べていません。調べるには: pfxvault audit --scan { -scanned }
audit-strays = このルールに違反する秘密鍵が { $count } 個見つかりました。本来の場所に移し、それ以外の場所からは削除してください。他人の手に渡った場合は、証明書の再発行を依頼してください。
audit-no-strays =
    検索した範囲({ $count } ファイル)では、このルールに反する秘密鍵は見つかりませんでした。検索していない場所についてはわかりません
audit-strays-naked = パスワードのない秘密鍵が { $count } 個あります。ファイルのコピーを手に入れた人は、その鍵を使えます。パスワードで保護するか、削除してください
audit-scanned = 秘密鍵の検索: { $time }、{ $by }、{ $paths }({ $count } ファイル)
audit-scan-incomplete = 一部は調べていません: 読み取れないもの { $unread } 件、一部だけ調べたもの { $in_part } 件(大きすぎるもの、壊れているもの、パスワード付きのもの、Outlook のデータ ファイル、7z・RAR・xz・zst・bz2 など展開しない形式の圧縮ファイル)
audit-place-good = { $medium } は、保存してよい場所です
audit-place-bad = { $medium } は{ $seen }です
audit-no-vault = このサーバーはどの保管庫にも登録されていません。保管庫を作成してください: pfxvault create { -stick }
audit-no-backup = このサーバーのバックアップはまだありません。バックアップを取ってください: pfxvault backup --to { -stick }
audit-backup =
    最新のバックアップは第 { $number } 世代({ $age ->
        [ahead] このコンピューターの時計より先の日付で作成
        [0] 本日作成
       *[other] { $age } 日前に作成
    })です。すべての世代を合わせて、復元対象のキーペアは { $pairs } 組です
audit-unsaved = { $name } はどのバックアップにも含まれていません
audit-copies =
    { $count ->
        [0] 使用中のどのメディアにもないキーペアがあります
        [1] 1 本のメディアにしかないキーペアがあります。2 本目にもコピーしてください: pfxvault copy --from { -stick } --to { -second-stick }
       *[other] どのキーペアも { $count } 本以上のメディアにあります
    }
audit-never-checked = USB メモリ「{ $label }」は、検証で正常と確認されたことがありません。検証してください: pfxvault verify { -stick }
audit-found-bad =
    USB メモリ「{ $label }」で破損が見つかり({ $age ->
        [ahead] このコンピューターの時計より先の日付
        [0] 本日
       *[other] { $age } 日前
    })、その後の検証で、すべて正常とは確認されていません。別の USB メモリから補うか(pfxvault copy --from { -second-stick } --to { -stick })、バックアップし直し、pfxvault verify { -stick } で検証してください
audit-checked =
    USB メモリ「{ $label }」は、{ $age ->
        [ahead] このコンピューターの時計より先の日付に
        [0] 本日
       *[other] { $age } 日前に
    }検証し、正常でした
found-attention = 注意:
found-note = 参考:
audit-finding = 指定されたメディアについて: { $finding }
audit-authority = 認証局が秘密鍵を必要とすることはありません。求めてくる相手は認証局ではありません。
audit-remains = このサーバーは保管庫への登録を終了していますが、{ $name } の秘密鍵が残っています: pfxvault status --handing-back
audit-servers = 保管庫に書き込めるサーバーは { $count } 台です
audit-no-key = { $name } の秘密鍵はバックアップできません(例外として確認済み: { $reason })
audit-retired =
    USB メモリ「{ $label }」は、{ $age ->
        [ahead] このコンピューターの時計より先の日付に
        [0] 本日
       *[other] { $age } 日前に
    }使用終了になりました
audit-lost =
    USB メモリ「{ $label }」は、{ $age ->
        [ahead] このコンピューターの時計より先の日付に
        [0] 本日
       *[other] { $age } 日前に
    }紛失として記録されました。中身を開くにはパスフレーズか復旧キーが必要です
audit-servers-closed = { $count } 台のサーバーは登録を終了しており、もう書き込めません: { $servers }
audit-readers = 新しいバックアップを復号できる鍵は { $count } 個です。確認するには: pfxvault access list
audit-ways-in =
    { $count ->
        [0] このサーバーの記録では、保管庫を開く手段がありません
        [1] 保管庫を開くパスフレーズまたは復旧キーが 1 つしかありません。追加してください: pfxvault access add recovery-key --to { -stick }
       *[other] 保管庫を開くパスフレーズと復旧キーは、合わせて { $count } つあります
    }
audit-no-drill = 保管庫を開いて復元できるかどうか、まだ誰も試していません。試してください: pfxvault drill --from { -stick }
audit-drill-partly = 復元できるか試したのは、バックアップの一部だけです(前回は { $pairs } 組)。pfxvault drill --from { -stick } で全体を試してください
audit-drill =
    最後の復元訓練は{ $age ->
        [ahead] このコンピューターの時計より先の日付
        [0] 本日
       *[other] { $age } 日前
    }です(第 { $number } 世代、{ $pairs } 組のキーペアを確認)
audit-receipt = 復元訓練: { $time }、実行 { $by }、{ $kind ->
        [passphrase] パスフレーズ
        [recovery-key] 復旧キー
        [age-key] age の鍵
        [ssh-key] SSH の鍵
        [plugin] age プラグインの鍵
       *[shares] 分割した復旧キー
    } { $way }{ $stock ->
        [0] {""}
       *[other] (手作業)
    }、読み取り元 { $media }、{ $server } の第 { $number } 世代、{ $pairs } 組
column-server = サーバー
column-made = 作成日
column-due = 期限
column-pairs = キーペア
column-place = 場所
column-form = 形式
column-password = パスワード
column-key-pair = キーペア
column-rule = 違反するルール
cell-away = 未接続
cell-open = なし
cell-password = あり
cell-other = ほかの鍵
cell-free = 空き { $size }
cell-read-only = 書き込み禁止
device-removable = リムーバブル
device-network = ネットワーク ドライブ
device-system-disk = システム ディスク
device-fixed-disk = 内蔵ディスク
device-memory = メイン メモリ
page-language = ja
page-title = TLS キーペアの取り扱い 監査レポート: { $server }
page-made = 作成: { $time }(pfxvault { $version })。保管庫: { $vault }
page-rules = 取り扱いルール
page-servers = サーバー
page-media = メディア
page-strays = 見つかった秘密鍵
page-signature = 確認
page-signature-line = 確認日・確認者・印: ______________________________
error-scan-path = { $path } には調べるものがありません
    .hint = 実在するファイルまたはフォルダーを指定してください: pfxvault audit --scan { -scanned }
error-page = 監査レポートを { $path } に書き込めません
    .cause = { $reason }
    .hint = 書き込み権限のあるフォルダーで、新しいファイル名を指定してください

## Papers

paper-sheet = キーペアのバックアップ 復旧手順書
paper-sheet-notice = この紙に秘密は書かれていません。運用手順書、金庫のそば、USB メモリの中など、最初に探す場所に置いてください。
paper-sheet-what = 下記の USB メモリには、下記のサーバーの TLS キーペア(証明書と秘密鍵)が、プログラム pfxvault により暗号化されて入っています。開くには、パスフレーズ、または封をした封筒の中の復旧キーが必要です。何かを変更する前に、この紙を最後まで読んでください。
paper-vault = 保管庫(フィンガープリント)
paper-made = 作成
paper-made-by = { $day } pfxvault { $version }(コンピューター名: { $computer })
paper-servers = サーバーと、作成日に最新だった世代
paper-cell-server = サーバー
paper-cell-newest = 最新の世代
paper-cell-record = RECORD.TXT の SHA-256
paper-newest = 第 { $number } 世代({ $day })
paper-media = USB メモリ
paper-cell-label = ラベル
paper-cell-place = 保管場所
paper-emergency = サーバーを復元するとき
paper-emergency-pfxvault = pfxvault がある場合。新しいサーバーで、管理者として実行します(E: は USB メモリ)。パスフレーズ、または復旧キーの入力を求められます。
paper-code = 二次元コードには、保管庫のフィンガープリントと最新の世代が入っています。この紙をスキャンして pfxvault sheet --check ファイル を実行すると、USB メモリと照合できます。
paper-emergency-stock = pfxvault がない場合。age と ssh-keygen を使います。すべての手順は各 USB メモリの README.TXT にあります。特に重要な行は次のとおりです。1 行目は管理責任者の公開鍵で、USB メモリの内容に頼らずに署名を確かめられます。
paper-hand = 手書きで記入する欄
paper-contact = 連絡先: { $contact }
paper-blank-contact = 連絡先
paper-blank-envelope = 封筒の保管場所
paper-blank-bitlocker = USB メモリの BitLocker 回復パスワードの保管場所(保護している場合)
paper-blank-program = pfxvault の保管場所と入手元
paper-blank-signed = 確認日・確認者・印
paper-key-code = 右の二次元コードには、同じ内容と、どの保管庫のものかが入っています。
paper-envelope = 封筒用 キーペアのバックアップの復旧キー
paper-envelope-notice = 秘密。この紙と USB メモリの 1 本を手に入れた人は、その中のすべての秘密鍵を使えます。
paper-envelope-what = 文字が内側になるように折って封筒に入れ、封をして、封じ目に署名または押印してください。USB メモリとは別の場所に保管します。パスフレーズがわからなくなったときに開封します。開封した後は、新しい保管庫、少なくとも新しい封筒を作ってください。
paper-key = 復旧キー
paper-key-how = 1 行ずつ、6 文字と、その後ろの 2 文字を続けて入力します。後ろの 2 文字は確認用で、間違いがすぐにわかります。大文字と小文字は区別しません。英字の I と O は使われません。そのように見えるものは数字の 1 と 0 です。
paper-use = 使い方
paper-use-pfxvault = pfxvault がある場合(E: は USB メモリ):
paper-use-age = pfxvault がない場合: 全行の 6 文字を、空白を入れず、大文字で、1 行にして recovery.txt に書き込みます(後ろの 2 文字は含めません)。その後、USB メモリの README.TXT の手順に従います。
paper-share-title = 封筒用 分割キー { $number }({ $count } 個のうち)
paper-share-notice = 秘密。この組の分割キー { $threshold } 個と USB メモリの 1 本がそろうと、その中のすべての秘密鍵を使えます。それより少ないと開けません。
paper-share-what = 文字が内側になるように折って封筒に入れ、封をして、封じ目に署名または押印してください。{ $count } 通の封筒は、それぞれ別の人が、USB メモリとは別の場所に保管します。パスフレーズがわからなくなったときに { $threshold } 通を開封します。開封した後は、新しい保管庫、少なくとも新しい分割キーを作成してください。
paper-share = 分割キー { $number }({ $count } 個のうち)
paper-share-how = 1 行ずつ、3 つの単語(各単語は先頭の 4 文字だけでもかまいません)と、その後ろの 2 文字を続けて入力します。後ろの 2 文字は確認用で、間違いがすぐにわかります。
paper-share-stock = pfxvault がない場合: 単語は SLIP-39 の形式です。Python の shamir-mnemonic で組み合わせると(パスフレーズなし)、NUMBER が表示されます。最後の行で id.txt を取り出します(開けなければ IDENT004.AGE 以降を試します)。その後、USB メモリの README.TXT の手順に従います。
paper-share-convert = key.py の内容:
paper-blank-sealed = 封をした日・氏名・印
paper-blank-kept = 保管場所
paper-blank-opened = 開封した日・氏名・理由
paper-no-glyph = PDF 用のフォントに含まれない文字があります: { $characters }
paper-unfit = 内容が多すぎて、1 ページに収まりません
sheet-done =
    完了: 復旧手順書を { $path } に書き込みました
    秘密は含まれていません。印刷して空欄に記入し、最初に探す場所に置いてください。USB メモリに入れておくこともできます。
check-envelope-opened = 完了: この紙の復旧キーで、保管庫 { $vault } を開けることを確認しました
check-share-whole =
    完了: 分割キー { $number } はすべて正しく読み取れました。保管庫 { $vault } のものです。これだけでは開けません({ $threshold } 個必要です)。
    そろえて試すには: pfxvault drill --from { -stick } --shares
check-share-delete =
    注意: { $path } には分割キーが写っています。スキャンした機器に残ったものやごみ箱の中も含めて、すぐに削除してください。
check-delete =
    注意: { $path } には復旧キーが写っています。スキャンした機器に残ったものやごみ箱の中も含めて、すぐに削除してください。
check-sheet-read = 保管庫 { $vault } の復旧手順書です({ $day } 作成)。秘密は含まれていません。
check-sheet-vault = 完了: 復旧手順書のフィンガープリントは、ここにある保管庫({ $vault })のものです
check-sheet-no-media = 保管庫の USB メモリが接続されていないため、照合していません。照合する場合: pfxvault sheet --check ファイル --from { -stick }
check-sheet-good = 完了: 復旧手順書にある { $count } 台のサーバーの世代、またはそれより新しい世代が、ここに完全な状態であります
check-sheet-behind = 注意: 復旧手順書には { $server } の第 { $number } 世代がありますが、ここにある完全な世代のうち最新のものは{ $here ->
        [0] ありません
       *[other] 第 { $here } 世代({ $day })です
    }。この USB メモリは破損しているか、復旧手順書より古いか、以前の状態に戻されています。復元する前に、別の USB メモリを探してください。
check-sheet-other = 注意: ここにある { $server } の第 { $number } 世代は、復旧手順書にあるものと異なります。別の USB メモリを使い、原因を調べてください。
check-sheet-statements = 注意: 登録サーバーと「保管庫を開く手段」の一覧が、復旧手順書では { $signed } 件、ここでは { $here } 件です。この USB メモリは復旧手順書より古いか、以前の状態に戻されています。別の USB メモリを使い、この USB メモリを最新にしてください。

## メニュー

menu-headline =
    pfxvault { $version }(コンピューター名: { $server })。まだ何も変更していません。変更の前には必ず確認します。
    ネットワークへは何も送信しません。
menu-question = 何をしますか?
menu-status = 状態を見る(安全なもの、期限を過ぎたもの、失われるおそれのあるもの)
menu-backup = このサーバーのキーペアをバックアップする
menu-verify = USB メモリを検証する
menu-drill = 復元できるか試す(何も変更しません)
menu-copy = 別の USB メモリを最新にする、または新しい USB メモリを作る
menu-restore = 復元する、またはこのサーバーへ移行する
menu-contents = USB メモリにあるキーペアを表示する
menu-drill-envelope = 封筒の復旧キーで開けるか試す(何も変更しません)
menu-envelope = 復旧キーをもう 1 つ作る(2 通目の封筒)
menu-lost = USB メモリを紛失した(入っていたキーペアを確認する)
menu-lost-label = 紛失した USB メモリのラベル:
menu-audit = 5 つの取り扱いルールを、根拠とともに点検する
menu-demo = テスト用のデータで一通り実演する
menu-help = コマンドの一覧を表示する
menu-install = 認証局から届いた証明書をインストールする
menu-undo = このサーバーの直前の変更を取り消す
menu-list = このサーバーにあるキーペアと、バックアップの有無を表示する
menu-report = すべてのサーバーと USB メモリを一覧にする(作業の期限、証明書の有効期限)
menu-report-file = 印刷用ページの新しいファイル名(例: { -disk }shop.html。Enter だけなら画面にのみ表示):
menu-sheet = 復旧手順書を印刷し直す
menu-sheet-file = 新しいファイル名(例: { -disk }sheet.pdf):
menu-add = 保管庫の USB メモリをもう 1 本作る
menu-join = このサーバーを既存の保管庫に登録する
menu-request = 証明書の発行を申請する CSR を作る
menu-request-name = ホスト名(例: www.example.com):
menu-request-file = CSR の新しいファイル名:
menu-quit = 終了
menu-next = 次は何をしますか?
menu-line = コマンドでは次のとおりです: { $line }
menu-which-medium = どの USB メモリを読み取りますか?
menu-to-medium = どの USB メモリに書き込みますか? ほかのファイルには触れません。フォーマットもしません。
menu-stick = { $root } ({ $system }、空き { $free })
menu-stick-vault = { $root } ({ $system }、空き { $free })、保管庫の USB メモリ「{ $label }」
menu-other-place = ほかの場所を入力する
menu-back = 戻る
menu-type-medium = ドライブ文字またはフォルダー(例: { -stick }):
menu-backup-from = キーペアはどこにありますか(folder:フォルダー、pfx:ファイル):
menu-restore-to = どこに書き込みますか(folder:フォルダー、pfx:ファイル、pem:フォルダー):
menu-install-file = 認証局から届いたファイル:
media-inserted = 接続されている USB メモリを読み取ります: { $media }
error-no-stick = 保管庫のある USB メモリが接続されていません
    .hint = USB メモリを挿すか、場所を指定してください(例: pfxvault verify { -stick })
error-label-not-here = ラベルが { $label } の USB メモリは接続されていません
    .hint = その USB メモリを挿すか、ドライブ文字で指定してください。ラベルは pfxvault media list で確認できます
error-two-of-a-label = ラベルが { $label } の USB メモリが 2 本接続されています: { $one } と { $other }
    .hint = 使うほうをドライブ文字で指定してください

## The whole shop on one page
help-report = サーバー、USB メモリ、キーペアの一覧、それぞれの期限、証明書の有効期限をまとめて表示します。
help-report-media = 読み取る USB メモリ(例: { -stick })。保管庫を開きます。省略すると、このサーバーに記録のある内容だけを表示します
help-report-html = 保存や印刷のできる 1 ページの新しいファイルにも書き込みます
help-report-examples =
    pfxvault report { -stick } --html { -disk }shop.html
        USB メモリにあるすべてのサーバーを、保存や印刷のできるページにする
    pfxvault report --html { -disk }shop.html
        このサーバーとその USB メモリだけを、パスフレーズなしでページにする
report-title = TLS キーペア一覧: サーバー・USB メモリ・期限
report-from-media = 読み取った USB メモリ: { $media }
report-from-memory = このサーバーに記録のある内容です。ほかのサーバーも含めるには USB メモリを指定してください: pfxvault report { -stick }
report-headline = サーバー { $servers } 台、復元対象のキーペア { $pairs } 組、使用中の USB メモリ { $sticks } 本
report-good =
    問題ありません: すべてのキーペアの証明書が今日有効で、必要な本数の USB メモリにあり、期限を過ぎたものもありません。{ $soon ->
        [0] {""}
       *[other] 30 日以内に期限が切れる証明書: { $soon } 件
    }
report-attention = 要確認: 今日有効でない証明書 { $not_valid } 件、30 日以内に期限切れ { $soon } 件、USB メモリの本数が足りないキーペア { $too_few } 組、期限を過ぎた作業 { $overdue } 件、下記の確認事項 { $named } 件
report-doubt = { $server }: { $doubt }
report-line = ・{ $line }
report-due-backup = { $server } のバックアップを取る
report-due-check = USB メモリ「{ $label }」を、一度取り外してから検証する
report-due-replace = USB メモリ「{ $label }」を新しいものに交換する
report-due-drill = 全体を復元できるか試す(復元訓練)
report-due-first-drill = 全体を復元できるか試す(復元訓練)。まだ誰も試していません
column-what = 作業
cell-overdue = { $day }(期限超過)
cell-too-few = (不足)
report-page-due = いつまでに何をするか
report-page-ends = 証明書の有効期限
report-page-pairs = キーペアと、それを保存した USB メモリ
report-legend = ●: この USB メモリにある · –: ない · ?: 別のサーバーのもので、この USB メモリは読み取っていない
report-ends = { $name }({ $server }、{ $day })
report-ended = 期限切れ
report-later = それ以降
report-and-more = { $names }、ほか { $count } 件
report-written = 完了: { $path } にページを書き込みました。サーバー名とサイト名が載っています。社内文書として管理してください。
report-no-page = 保存や印刷のできるページにするには: --html ファイル名 を付けてください
error-report-not-enrolled = このコンピューターはどの保管庫にも登録されていないため、表示できる記録がありません
    .hint = USB メモリを指定してください: pfxvault report { -stick }

## The program beside the vault
help-with-program = このプログラムも USB メモリの PFXVAULT の隣に置きます。そこから実行することはありません
help-program = --with-program と一緒に置く別のファイル(pfxvault.exe や Linux 用のプログラムなど)。複数回指定できます
program-put =
    完了: { $medium } の { $folder } に、プログラムを置きました。保管庫の署名の対象外です:
    { $programs }
    次に: このハッシュが載った復旧手順書を印刷し直してください: pfxvault sheet --from { $medium } --to sheet.pdf
    USB メモリから直接実行しないでください。ハード ディスクにコピーし、ハッシュを紙と照合してから、コピーを実行します。
program-line = { "  " }{ $name }  SHA-256 { $hash }
program-not-put = 要確認: { $medium } の保管庫の隣に { $name } を置けませんでした: { $reason }。保管庫に影響はありません。同じ名前の別のファイルがある場合は、上書きしていません。不要なら削除してから、もう一度実行してください
error-program = プログラム { $path } を読み取れません: { $reason }
    .hint = 256 MiB 以下のファイルを指定してください: --program pfxvault.exe
error-program-name = { $path } は、この名前では保管庫の隣に置けません
    .hint = ほかと重複しない、英数字・ドット・-・_ だけの名前にしてください(例: pfxvault.exe)。ファイルは 8 個までです
paper-programs = 下記の USB メモリには、PFXVAULT-PROGRAM フォルダーに pfxvault も入っています。USB メモリから直接実行しないでください。ハード ディスクにコピーし、ハッシュをこの紙と照合して(Windows: certutil -hashfile pfxvault.exe SHA256、Linux: sha256sum pfxvault)、一致した場合だけコピーを実行してください。USB メモリに入っているこのページの写しでは照合できません。
paper-cell-hash = SHA-256

## The contact in README.TXT
help-media-policy-contact = USB メモリを拾った人などのための連絡先。README.TXT に 1 行で書き込まれ、誰でも読めます(例: "Web 担当 内線 4711")。空にすると記載しません
media-contact = USB メモリの README.TXT に書く連絡先: { $contact }
media-contact-next = 次に: 各 USB メモリへの次のバックアップまたはコピーで書き込まれます。USB メモリを手にした人は誰でも読めます。
error-contact = README.TXT の連絡先にできません。80 文字以内の 1 行で、前後に空白を入れず、目に見える文字だけで指定してください
    .hint = 例: pfxvault media policy --contact "Web 担当 内線 4711"
found-contact =
    注意: { $medium } の README.TXT の連絡先は「{ $contact }」ですが、このサーバーで設定したものではありません。この連絡先には連絡しないでください。
    このメディアへの次のバックアップまたはコピーで書き直されます。保管庫のほかのサーバーで設定したものでもない場合は、この USB メモリを誰が扱ったか確認してください。
found-contact-unknown = 参考: { $medium } の README.TXT の連絡先は「{ $contact }」です。署名されていないため、復旧手順書と照合してください。
