/* Stands in for age, ssh-keygen, findstr and others by the name that it is run under, in the recovery by hand. Writes to
 * T:\ran.txt from where it was run. As age it copies T:\NAME.opened; as findstr it prints lines that begin with /c:TEXT. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

static const char *base(const char *path) {
  const char *at = strrchr(path, '\\');
  return at ? at + 1 : path;
}

static int copy_opened(const char *sealed, const char *to) {
  char from[MAX_PATH];
  snprintf(from, sizeof from, "T:\\%s.opened", base(sealed));
  return CopyFileA(from, to, TRUE) ? 0 : 1;
}

static int print_lines(const char *start, const char *path) {
  char line[4096];
  int found = 1;
  FILE *file = fopen(path, "rb");
  while (file && fgets(line, sizeof line, file))
    if (!strncmp(line, start, strlen(start))) {
      fputs(line, stdout);
      found = 0;
    }
  return found;
}

int main(int count, char **words) {
  char self[MAX_PATH];
  GetModuleFileNameA(NULL, self, sizeof self);
  const char *name = base(self), *to = NULL, *start = "", *last = words[count - 1];
  FILE *ran = fopen("T:\\ran.txt", "ab");
  if (!ran) return 9;
  for (int at = 1; at < count; at++) {
    if (!strcmp(words[at], "-o")) to = words[at + 1];
    if (!strncmp(words[at], "/c:", 3)) start = words[at] + 3;
  }
  fprintf(ran, "%s", self);
  for (int at = 1; at < count; at++)
    if (GetFileAttributesA(words[at]) != INVALID_FILE_ATTRIBUTES) fprintf(ran, " found %s", words[at]);
  fprintf(ran, "\n");
  fclose(ran);
  if (!strcmp(name, "age.exe")) return to ? copy_opened(last, to) : 1;
  if (!strcmp(name, "findstr.exe")) return print_lines(start, last);
  return 0;
}
