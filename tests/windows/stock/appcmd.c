// Stands in for IIS's appcmd.exe under Wine: "add backup NAME" copies the configuration beside itself.
#include <stdio.h>
#include <wchar.h>
#include <windows.h>

int wmain(int argc, wchar_t **argv) {
  wchar_t backup[MAX_PATH];
  if (argc != 4 || wcscmp(argv[1], L"add") || wcscmp(argv[2], L"backup") || wcslen(argv[3]) > 100) return 87;
  swprintf(backup, MAX_PATH, L"C:\\windows\\System32\\inetsrv\\%ls.backup", argv[3]);
  return CopyFileW(L"C:\\windows\\System32\\inetsrv\\config\\applicationHost.config", backup, TRUE) ? 0 : 183;
}
