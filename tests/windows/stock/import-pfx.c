/* import-pfx FILE PASSWORD: imports a PFX into LocalMachine\My by Windows' own means, as IIS Manager and the certificate
 * import wizard do. Exit 0 if the certificates are in the store. */
#include <windows.h>
#include <wincrypt.h>

static BOOL read_file(const wchar_t *path, CRYPT_DATA_BLOB *blob) {
  static BYTE bytes[1 << 20];
  HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
  if (file == INVALID_HANDLE_VALUE) return FALSE;
  blob->pbData = bytes;
  BOOL read = ReadFile(file, bytes, sizeof bytes, &blob->cbData, NULL);
  CloseHandle(file);
  return read;
}

static BOOL add_all(HCERTSTORE from, HCERTSTORE to) {
  PCCERT_CONTEXT found = NULL;
  while ((found = CertEnumCertificatesInStore(from, found)))
    if (!CertAddCertificateContextToStore(to, found, CERT_STORE_ADD_REPLACE_EXISTING, NULL)) return FALSE;
  return CertControlStore(to, 0, CERT_STORE_CTRL_COMMIT, NULL);
}

int wmain(int count, wchar_t **words) {
  CRYPT_DATA_BLOB pfx;
  if (count != 3 || !read_file(words[1], &pfx)) return 2;
  HCERTSTORE imported = PFXImportCertStore(&pfx, words[2], CRYPT_EXPORTABLE | CRYPT_MACHINE_KEYSET);
  if (!imported) return 3;
  HCERTSTORE personal = CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, CERT_SYSTEM_STORE_LOCAL_MACHINE, L"My");
  if (!personal || !add_all(imported, personal)) return 4;
  return CertCloseStore(personal, 0) ? 0 : 5;
}
