/* Stands in for IIS's own writer under Wine, which has no IIS: the class Microsoft.ApplicationHost.WritableAdminManager,
 * which changes C:\windows\System32\inetsrv\config\applicationHost.config.
 *
 * Methods, their order, interface ids and errors are those of [MS-IISA]; the calling convention and VARIANT are the C
 * compiler's. It is strict where IIS is: the commit path, the schema with its types, combined keys. A method that it does
 * not have, an object that was let go of or never is, and a file with what it does not understand get a line in
 * C:\ProgramData\apphost-log.txt, which a test finds empty. C:\ProgramData\apphost-fails-at holds the number of the
 * commit that fails, C:\ProgramData\apphost-busy how many find the file locked (public reports: IIS.Administration 324,
 * OctopusDeploy 869). */
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>
#include <windows.h>
#include <ole2.h>

#define CONFIG L"C:\\windows\\System32\\inetsrv\\config\\applicationHost.config"
#define LOG "C:\\ProgramData\\apphost-log.txt"
#define FAILS_AT "C:\\ProgramData\\apphost-fails-at"
#define BUSY "C:\\ProgramData\\apphost-busy"
#define SERVER L"MACHINE/WEBROOT/APPHOST"
#define INVALID_DATA HRESULT_FROM_WIN32(ERROR_INVALID_DATA)
#define INVALID_INDEX HRESULT_FROM_WIN32(ERROR_INVALID_INDEX)
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const CLSID CLASS = {0x2b72133b, 0x3f5b, 0x4602, {0x89, 0x52, 0x80, 0x35, 0x46, 0xce, 0x33, 0x44}};
static const IID ADMIN_MANAGER = {0x9be77978, 0x73ed, 0x4a9a, {0x87, 0xfd, 0x13, 0xf0, 0x9f, 0xec, 0x1b, 0x13}};
static const IID WRITABLE = {0xfa7660f6, 0x7b3f, 0x4237, {0xa8, 0xbf, 0xed, 0x0a, 0xd0, 0xdc, 0xbb, 0xd9}};
static const IID ELEMENT = {0x64ff8ccc, 0xb287, 0x4dae, {0xb0, 0x8a, 0xa7, 0x2c, 0xbf, 0x45, 0xf4, 0x53}};
static const IID COLLECTION = {0xc8550bff, 0x5281, 0x4b1e, {0xac, 0x34, 0x99, 0xb6, 0xfa, 0x38, 0x46, 0x4d}};
static const IID PROPERTY = {0xed35f7a1, 0x5024, 0x4e7b, {0xa4, 0x4d, 0x07, 0xdd, 0xaf, 0x4b, 0x52, 0x4d}};

static HRESULT loud(const char *what) {
  FILE *log = fopen(LOG, "a");
  if (log) {
    fprintf(log, "%s\n", what);
    fclose(log);
  }
  return E_NOTIMPL;
}

/* ---- The file: a tree that is written back byte for byte where nothing was changed. ---- */

typedef struct {
  wchar_t *before, *name, *value;
} Pair;

/* An element, or, without a name, the text between two. One that is not in the file is there once it has something. */
typedef struct Node {
  wchar_t *name, *text, *tail;
  Pair pairs[16];
  int pair_count, child_count;
  BOOL in_file, has_end_tag;
  struct Node *parent, **children;
} Node;

static wchar_t *slice(const wchar_t *from, const wchar_t *to) {
  wchar_t *copy = calloc(to - from + 1, sizeof *copy);
  return wmemcpy(copy, from, to - from);
}

static Node *insert(Node *parent, int at, Node *child) {
  parent->children = realloc(parent->children, (parent->child_count + 1) * sizeof(Node *));
  memmove(parent->children + at + 1, parent->children + at, (parent->child_count++ - at) * sizeof(Node *));
  parent->children[at] = child;
  child->parent = parent;
  return child;
}

static Node *append(Node *parent) { return insert(parent, parent->child_count, calloc(1, sizeof(Node))); }

static void take_out(Node *parent, int at) {
  parent->children[at]->parent = NULL;
  memmove(parent->children + at, parent->children + at + 1, (--parent->child_count - at) * sizeof(Node *));
}

static int place_of(const Node *child) {
  int at = 0;
  while (child->parent->children[at] != child) at++;
  return at;
}

static Pair *pair_named(Node *node, const wchar_t *name) {
  for (int i = 0; i < node->pair_count; i++)
    if (!wcscmp(node->pairs[i].name, name)) return &node->pairs[i];
  return NULL;
}

static BOOL parse_pairs(Node *node, const wchar_t **at) {
  for (;;) {
    const wchar_t *before = *at, *name = before + wcsspn(before, L" \r\n\t"), *end = name + wcscspn(name, L"=<>/ ");
    if (*name == L'>' || *name == L'/') {
      node->tail = slice(before, name);
      *at = name;
      return TRUE;
    }
    const wchar_t *value = end + 2, *quote = wcschr(value, L'"');
    if (name == before || wcsncmp(end, L"=\"", 2) || !quote || node->pair_count == COUNT(node->pairs)) return FALSE;
    Pair pair = {slice(before, name), slice(name, end), slice(value, quote)};
    if (pair_named(node, pair.name) || wcschr(pair.value, L'<')) return FALSE;
    node->pairs[node->pair_count++] = pair;
    *at = quote + 1;
  }
}

/* Values stand in the tree as they do in the file; [XML] 4.6 and 2.4 name what a value cannot hold as it is. */
static const wchar_t *const ENTITIES[][2] = {
    {L"&amp;", L"&"}, {L"&lt;", L"<"}, {L"&gt;", L">"}, {L"&quot;", L"\""}, {L"&apos;", L"'"}};

static wchar_t *replaced(const wchar_t *text, int from, int to, int entities) {
  wchar_t *out = calloc(6 * wcslen(text) + 1, sizeof *out), *at = out;
  while (*text) {
    int found = -1;
    for (int i = 0; i < entities; i++)
      if (!wcsncmp(text, ENTITIES[i][from], wcslen(ENTITIES[i][from]))) found = i;
    if (found < 0) {
      *at++ = *text++;
      continue;
    }
    at = wcscpy(at, ENTITIES[found][to]) + wcslen(ENTITIES[found][to]);
    text += wcslen(ENTITIES[found][from]);
  }
  return out;
}

static wchar_t *meant(const wchar_t *value) { return replaced(value, 0, 1, COUNT(ENTITIES)); }

/* Between quotation marks an apostrophe is written as it is. */
static wchar_t *written(const wchar_t *text) { return replaced(text, 1, 0, COUNT(ENTITIES) - 1); }

static BOOL parse_element(Node *node, const wchar_t **at);

static BOOL parse_content(Node *node, const wchar_t **at) {
  while (**at && wcsncmp(*at, L"</", 2)) {
    BOOL is_comment = !wcsncmp(*at, L"<!--", 4), is_heading = !wcsncmp(*at, L"<?", 2);
    if (**at == L'<' && !is_comment && !is_heading) {
      if (!parse_element(append(node), at)) return FALSE;
      continue;
    }
    const wchar_t *end = is_comment ? wcsstr(*at, L"-->") : is_heading ? wcsstr(*at, L"?>") : *at + wcscspn(*at, L"<");
    if (!end) return FALSE;
    end += is_comment ? 3 : is_heading ? 2 : 0;
    append(node)->text = slice(*at, end);
    *at = end;
  }
  return TRUE;
}

static BOOL parse_element(Node *node, const wchar_t **at) {
  const wchar_t *name = *at + 1, *end = name + wcscspn(name, L" \r\n\t/<>");
  node->name = slice(name, end);
  node->in_file = TRUE;
  *at = end;
  if (end == name || !parse_pairs(node, at)) return FALSE;
  if (!wcsncmp(*at, L"/>", 2)) {
    *at += 2;
    return TRUE;
  }
  if (*(*at)++ != L'>' || !parse_content(node, at)) return FALSE;
  node->has_end_tag = TRUE;
  size_t length = wcslen(node->name);
  if (wcsncmp(*at, L"</", 2) || wcsncmp(*at + 2, node->name, length) || (*at)[2 + length] != L'>') return FALSE;
  *at += length + 3;
  return TRUE;
}

static BOOL stands(const Node *node) {
  if (!node->name || node->in_file || node->pair_count) return TRUE;
  for (int i = 0; i < node->child_count; i++)
    if (stands(node->children[i])) return TRUE;
  return FALSE;
}

static void print(FILE *file, const wchar_t *text) {
  static char bytes[1 << 20];
  WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, sizeof bytes, NULL, NULL);
  fputs(bytes, file);
}

static void print_node(FILE *file, const Node *node) {
  if (!stands(node)) return;
  BOOL has_end_tag = node->has_end_tag || node->child_count;
  if (node->text) print(file, node->text);
  if (node->name) {
    print(file, L"<");
    print(file, node->name);
    for (int i = 0; i < node->pair_count; i++) {
      print(file, node->pairs[i].before);
      print(file, node->pairs[i].name);
      print(file, L"=\"");
      print(file, node->pairs[i].value);
      print(file, L"\"");
    }
    print(file, has_end_tag == node->has_end_tag && node->tail ? node->tail : has_end_tag ? L"" : L" ");
    print(file, has_end_tag ? L">" : L"/>");
  }
  for (int i = 0; i < node->child_count; i++) print_node(file, node->children[i]);
  if (node->name && has_end_tag) {
    print(file, L"</");
    print(file, node->name);
    print(file, L">");
  }
}

static Node *read_config(void) {
  static char bytes[1 << 20];
  static wchar_t text[1 << 20];
  FILE *file = _wfopen(CONFIG, L"rb");
  if (!file) return NULL;
  size_t size = fread(bytes, 1, sizeof bytes - 1, file);
  fclose(file);
  bytes[size] = 0;
  MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, bytes, -1, text, COUNT(text));
  Node *root = calloc(1, sizeof *root);
  const wchar_t *at = text;
  if (!parse_content(root, &at) || *at) {
    loud("applicationHost.config has what this stand-in does not understand");
    return NULL;
  }
  return root;
}

static HRESULT write_config(const Node *root) {
  const wchar_t *beside = CONFIG L".new";
  FILE *file = _wfopen(beside, L"wb");
  if (!file) return HRESULT_FROM_WIN32(ERROR_ACCESS_DENIED);
  print_node(file, root);
  if (fclose(file)) return E_FAIL;
  BOOL moved = MoveFileExW(beside, CONFIG, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
  return moved ? S_OK : HRESULT_FROM_WIN32(GetLastError());
}

/* Counts the number in a file down; what it was, 0 where there is none. */
static int count_down(const char *name) {
  int left = 0;
  FILE *file = fopen(name, "r+");
  if (!file) return 0;
  if (fscanf(file, "%d", &left) == 1 && left > 0) {
    rewind(file);
    fprintf(file, "%-9d", left - 1);
  }
  fclose(file);
  return left;
}

/* ---- The schema, as far as it is used: IIS_schema.xml and FTP_schema.xml. ---- */

typedef struct {
  const wchar_t *name;
  enum { TEXT_TYPE, UINT_TYPE, HASH_TYPE } type;
  BOOL is_key;
} Attribute;

typedef struct Schema {
  const wchar_t *name;
  Attribute attributes[4];
  const struct Schema *children[4], *items;
} Schema;

static const Schema SSL = {L"ssl", {{L"serverCertHash", HASH_TYPE}, {L"serverCertStoreName"}}};
static const Schema SECURITY = {L"security", .children = {&SSL}};
static const Schema FTP_SERVER = {L"ftpServer", .children = {&SECURITY}};
static const Schema BINDING = {
    L"binding", {{L"protocol", .is_key = TRUE}, {L"bindingInformation", .is_key = TRUE}, {L"sslFlags", UINT_TYPE}}};
static const Schema BINDINGS = {L"bindings", .items = &BINDING};
static const Schema VIRTUAL_DIRECTORY = {L"virtualDirectory", {{L"path", .is_key = TRUE}, {L"physicalPath"}}};
static const Schema APPLICATION = {L"application", {{L"path", .is_key = TRUE}}, .items = &VIRTUAL_DIRECTORY};
static const Schema SITE = {L"site",
                            {{L"name", .is_key = TRUE}, {L"id", UINT_TYPE}},
                            .children = {&BINDINGS, &FTP_SERVER},
                            .items = &APPLICATION};
static const Schema SITES = {L"sites", .items = &SITE};

/* The text of a value, or NULL where the type does not take it. */
static const wchar_t *checked(const Attribute *attribute, const VARIANT *value) {
  static wchar_t number[16];
  if (attribute->type == UINT_TYPE && (V_VT(value) == VT_I4 || V_VT(value) == VT_UI4)) {
    swprintf(number, COUNT(number), L"%u", V_UI4(value));
    return V_VT(value) == VT_I4 && V_I4(value) < 0 ? NULL : number;
  }
  if (V_VT(value) != VT_BSTR || !V_BSTR(value) || SysStringLen(V_BSTR(value)) != wcslen(V_BSTR(value))) return NULL;
  const wchar_t *text = V_BSTR(value);
  size_t length = wcslen(text), hex = wcsspn(text, L"0123456789ABCDEFabcdef");
  /* [MS-IISA] 3.1.4.22.3 knows no conversion: a number that comes as text is ERROR_INVALID_DATA. */
  if (attribute->type == UINT_TYPE) return NULL;
  if (attribute->type == HASH_TYPE && (hex < length || length != 40)) return NULL;
  return text;
}

/* ---- The objects. None is ever freed, so that one that was let go of is still known. ---- */

typedef struct {
  Node *root;
  wchar_t commit_path[64];
  BOOL changed;
} Document;

typedef struct {
  const void *const *methods;
  LONG references;
  const IID *kind;
  Document *document;
  Node *node;
  const Schema *schema;
  const Attribute *attribute;
} Object;

static LONG live;
static const void *const manager_methods[10], *const element_methods[14], *const collection_methods[10],
    *const property_methods[12];

static HRESULT make(const IID *kind, const Object *like, Node *node, const Schema *schema, const Attribute *attribute,
                    Object **out) {
  *out = calloc(1, sizeof **out);
  (*out)->methods = kind == &WRITABLE     ? manager_methods
                    : kind == &ELEMENT    ? element_methods
                    : kind == &COLLECTION ? collection_methods
                                          : property_methods;
  (*out)->references = 1;
  (*out)->kind = kind;
  (*out)->document = like ? like->document : calloc(1, sizeof(Document));
  (*out)->node = node;
  (*out)->schema = schema;
  (*out)->attribute = attribute;
  InterlockedIncrement(&live);
  return S_OK;
}

static BOOL is(const Object *object, const IID *kind) {
  if (object && object->kind == kind && object->references > 0) return TRUE;
  loud("an object that is another, or was let go of");
  return FALSE;
}

static BOOL is_string(BSTR text) {
  if (text && SysStringLen(text) == wcslen(text)) return TRUE;
  loud("a string that is no BSTR");
  return FALSE;
}

static HRESULT WINAPI query_interface(Object *me, REFIID id, Object **out) {
  BOOL is_base = me->kind == &WRITABLE && IsEqualIID(id, &ADMIN_MANAGER);
  *out = NULL;
  if (!IsEqualIID(id, &IID_IUnknown) && !IsEqualIID(id, me->kind) && !is_base) return E_NOINTERFACE;
  me->references++;
  *out = me;
  return S_OK;
}

static ULONG WINAPI add_ref(Object *me) { return is(me, me->kind) ? ++me->references : 0; }

static ULONG WINAPI release(Object *me) {
  if (!is(me, me->kind)) return 0;
  if (me->references == 1) InterlockedDecrement(&live);
  return --me->references;
}

#define MISSING(method) \
  static HRESULT WINAPI method(void) { return loud(#method); }

/* IAppHostAdminManager and IAppHostWritableAdminManager. */

static HRESULT WINAPI get_admin_section(Object *me, BSTR section, BSTR path, Object **out) {
  if (!is(me, &WRITABLE) || !is_string(section) || !is_string(path) || !out) return E_INVALIDARG;
  Document *document = me->document;
  if (wcscmp(section, L"system.applicationHost/sites")) return INVALID_DATA;
  if (wcscmp(path, SERVER)) return HRESULT_FROM_WIN32(ERROR_PATH_NOT_FOUND);
  if (!document->root && !(document->root = read_config())) return INVALID_DATA;
  Node *node = document->root;
  static const wchar_t *const names[] = {L"configuration", L"system.applicationHost", L"sites"};
  for (int depth = 0; depth < 3; depth++) {
    Node *found = NULL;
    for (int i = 0; i < node->child_count; i++)
      if (node->children[i]->name && !wcscmp(node->children[i]->name, names[depth])) found = node->children[i];
    if (!(node = found)) return INVALID_DATA;
  }
  return make(&ELEMENT, me, node, &SITES, NULL, out);
}

static HRESULT WINAPI commit_changes(Object *me) {
  if (!is(me, &WRITABLE)) return E_INVALIDARG;
  if (!me->document->root || wcscmp(me->document->commit_path, SERVER)) return HRESULT_FROM_WIN32(ERROR_PATH_NOT_FOUND);
  if (count_down(BUSY) > 0) return HRESULT_FROM_WIN32(ERROR_LOCK_VIOLATION);
  return count_down(FAILS_AT) == 1 ? HRESULT_FROM_WIN32(ERROR_WRITE_FAULT) : write_config(me->document->root);
}

static HRESULT WINAPI put_commit_path(Object *me, BSTR path) {
  if (!is(me, &WRITABLE) || !is_string(path)) return E_INVALIDARG;
  if (wcscmp(path, SERVER)) return E_INVALIDARG;
  /* [MS-IISA], the error of put_CommitPath where changes are not committed. */
  if (me->document->changed) return HRESULT_FROM_WIN32(0xDD);
  wcscpy(me->document->commit_path, path);
  return S_OK;
}

MISSING(IAppHostAdminManager_GetMetadata)
MISSING(IAppHostAdminManager_SetMetadata)
MISSING(IAppHostAdminManager_get_ConfigManager)
MISSING(IAppHostWritableAdminManager_get_CommitPath)

static const void *const manager_methods[10] = {
    [0] = query_interface,
    [1] = add_ref,
    [2] = release,
    [3] = get_admin_section,
    [4] = IAppHostAdminManager_GetMetadata,
    [5] = IAppHostAdminManager_SetMetadata,
    [6] = IAppHostAdminManager_get_ConfigManager,
    [7] = commit_changes,
    [8] = IAppHostWritableAdminManager_get_CommitPath,
    [9] = put_commit_path,
};

/* IAppHostElement. */

static HRESULT WINAPI get_collection(Object *me, Object **out) {
  if (!is(me, &ELEMENT) || !out) return E_INVALIDARG;
  if (!me->schema->items) return HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED);
  for (int i = 0; i < me->node->child_count; i++)
    if (me->node->children[i]->name && !wcscmp(me->node->children[i]->name, L"clear")) return loud("clear");
  return make(&COLLECTION, me, me->node, me->schema->items, NULL, out);
}

static HRESULT WINAPI get_element_by_name(Object *me, BSTR name, Object **out) {
  if (!is(me, &ELEMENT) || !is_string(name) || !out) return E_INVALIDARG;
  for (const Schema *const *child = me->schema->children; *child; child++) {
    if (wcscmp((*child)->name, name)) continue;
    for (int i = 0; i < me->node->child_count; i++)
      if (me->node->children[i]->name && !wcscmp(me->node->children[i]->name, name))
        return make(&ELEMENT, me, me->node->children[i], *child, NULL, out);
    Node *added = append(me->node);
    added->name = wcsdup(name);
    return make(&ELEMENT, me, added, *child, NULL, out);
  }
  return INVALID_INDEX;
}

static HRESULT WINAPI get_property_by_name(Object *me, BSTR name, Object **out) {
  if (!is(me, &ELEMENT) || !is_string(name) || !out) return E_INVALIDARG;
  for (const Attribute *one = me->schema->attributes; one->name; one++)
    if (!wcscmp(one->name, name)) return make(&PROPERTY, me, me->node, me->schema, one, out);
  return INVALID_INDEX;
}

MISSING(IAppHostElement_get_Name)
MISSING(IAppHostElement_get_Properties)
MISSING(IAppHostElement_get_ChildElements)
MISSING(IAppHostElement_GetMetadata)
MISSING(IAppHostElement_SetMetadata)
MISSING(IAppHostElement_get_Schema)
MISSING(IAppHostElement_Clear)
MISSING(IAppHostElement_get_Methods)

static const void *const element_methods[14] = {
    [0] = query_interface,
    [1] = add_ref,
    [2] = release,
    [3] = IAppHostElement_get_Name,
    [4] = get_collection,
    [5] = IAppHostElement_get_Properties,
    [6] = IAppHostElement_get_ChildElements,
    [7] = IAppHostElement_GetMetadata,
    [8] = IAppHostElement_SetMetadata,
    [9] = IAppHostElement_get_Schema,
    [10] = get_element_by_name,
    [11] = get_property_by_name,
    [12] = IAppHostElement_Clear,
    [13] = IAppHostElement_get_Methods,
};

/* IAppHostElementCollection. */

/* The item of that number; the number of items where there is none. */
static Node *item(const Object *me, DWORD number, DWORD *count) {
  DWORD seen = 0;
  for (int i = 0; i < me->node->child_count; i++) {
    Node *child = me->node->children[i];
    if (child->name && !wcscmp(child->name, me->schema->name) && seen++ == number) return child;
  }
  if (count) *count = seen;
  return NULL;
}

static HRESULT at_index(const Object *me, const VARIANT *index, Node **found) {
  if (V_VT(index) != VT_I4 && V_VT(index) != VT_UI4) return loud("an index that is no number"), E_INVALIDARG;
  *found = item(me, V_UI4(index), NULL);
  return *found ? S_OK : INVALID_INDEX;
}

static HRESULT WINAPI get_count(Object *me, DWORD *count) {
  if (!is(me, &COLLECTION) || !count) return E_INVALIDARG;
  item(me, MAXDWORD, count);
  return S_OK;
}

static HRESULT WINAPI get_item(Object *me, VARIANT index, Object **out) {
  Node *found;
  if (!is(me, &COLLECTION) || !out) return E_INVALIDARG;
  HRESULT result = at_index(me, &index, &found);
  return FAILED(result) ? result : make(&ELEMENT, me, found, me->schema, NULL, out);
}

static BOOL has_same_key(Node *one, Node *other, const Schema *schema) {
  for (const Attribute *key = schema->attributes; key->name; key++) {
    if (!key->is_key) continue;
    Pair *a = pair_named(one, key->name), *b = pair_named(other, key->name);
    if (!a || !b || wcsicmp(meant(a->value), meant(b->value))) return FALSE;
  }
  return TRUE;
}

static HRESULT WINAPI add_element(Object *me, Object *element, INT position) {
  Node *last = NULL, *there;
  if (!is(me, &COLLECTION) || !is(element, &ELEMENT)) return E_INVALIDARG;
  if (element->node->parent || element->schema != me->schema) return E_INVALIDARG;
  if (position != -1) return loud("AddElement at a position");
  if (!has_same_key(element->node, element->node, me->schema)) return INVALID_DATA;
  for (DWORD i = 0; (there = item(me, i, NULL)); last = there, i++)
    if (has_same_key(there, element->node, me->schema)) return HRESULT_FROM_WIN32(ERROR_ALREADY_EXISTS);
  me->document->changed = TRUE;
  int at = last ? place_of(last) : -1;
  Node *space = at > 0 && !me->node->children[at - 1]->name ? me->node->children[at - 1] : NULL;
  insert(me->node, at + 1, element->node);
  if (space) insert(me->node, at + 1, calloc(1, sizeof(Node)))->text = space->text;
  return S_OK;
}

static HRESULT WINAPI delete_element(Object *me, VARIANT index) {
  Node *found;
  if (!is(me, &COLLECTION)) return E_INVALIDARG;
  HRESULT result = at_index(me, &index, &found);
  if (FAILED(result)) return result;
  me->document->changed = TRUE;
  int at = place_of(found);
  take_out(me->node, at);
  if (at > 0 && !me->node->children[at - 1]->name) take_out(me->node, at - 1);
  return S_OK;
}

static HRESULT WINAPI create_new_element(Object *me, BSTR name, Object **out) {
  if (!is(me, &COLLECTION) || !is_string(name) || !out) return E_INVALIDARG;
  if (wcscmp(name, me->schema->name)) return INVALID_INDEX;
  Node *node = calloc(1, sizeof *node);
  node->name = wcsdup(name);
  return make(&ELEMENT, me, node, me->schema, NULL, out);
}

MISSING(IAppHostElementCollection_Clear)
MISSING(IAppHostElementCollection_get_Schema)

static const void *const collection_methods[10] = {
    [0] = query_interface,
    [1] = add_ref,
    [2] = release,
    [3] = get_count,
    [4] = get_item,
    [5] = add_element,
    [6] = delete_element,
    [7] = IAppHostElementCollection_Clear,
    [8] = create_new_element,
    [9] = IAppHostElementCollection_get_Schema,
};

/* IAppHostProperty. */

static HRESULT WINAPI put_value(Object *me, VARIANT value) {
  if (!is(me, &PROPERTY)) return E_INVALIDARG;
  const wchar_t *text = checked(me->attribute, &value);
  if (!text) return INVALID_DATA;
  Pair *pair = pair_named(me->node, me->attribute->name);
  if (!pair) {
    if (me->node->pair_count == COUNT(me->node->pairs)) return E_OUTOFMEMORY;
    pair = &me->node->pairs[me->node->pair_count++];
    pair->before = L" ";
    pair->name = wcsdup(me->attribute->name);
  }
  pair->value = written(text);
  me->document->changed = TRUE;
  return S_OK;
}

static HRESULT WINAPI clear(Object *me) {
  if (!is(me, &PROPERTY)) return E_INVALIDARG;
  Pair *pair = pair_named(me->node, me->attribute->name);
  me->document->changed = TRUE;
  if (pair) memmove(pair, pair + 1, (char *)(me->node->pairs + me->node->pair_count--) - (char *)(pair + 1));
  return S_OK;
}

static HRESULT WINAPI get_string_value(Object *me, BSTR *out) {
  if (!is(me, &PROPERTY) || !out) return E_INVALIDARG;
  Pair *pair = pair_named(me->node, me->attribute->name);
  *out = SysAllocString(pair ? meant(pair->value) : me->attribute->type == UINT_TYPE ? L"0" : L"");
  return *out ? S_OK : E_OUTOFMEMORY;
}

MISSING(IAppHostProperty_get_Name)
MISSING(IAppHostProperty_get_Value)
MISSING(IAppHostProperty_get_Exception)
MISSING(IAppHostProperty_GetMetadata)
MISSING(IAppHostProperty_SetMetadata)
MISSING(IAppHostProperty_get_Schema)

static const void *const property_methods[12] = {
    [0] = query_interface,
    [1] = add_ref,
    [2] = release,
    [3] = IAppHostProperty_get_Name,
    [4] = IAppHostProperty_get_Value,
    [5] = put_value,
    [6] = clear,
    [7] = get_string_value,
    [8] = IAppHostProperty_get_Exception,
    [9] = IAppHostProperty_GetMetadata,
    [10] = IAppHostProperty_SetMetadata,
    [11] = IAppHostProperty_get_Schema,
};

/* ---- The library. ---- */

static HRESULT WINAPI factory_query_interface(IClassFactory *me, REFIID id, void **out) {
  BOOL is_known = IsEqualIID(id, &IID_IUnknown) || IsEqualIID(id, &IID_IClassFactory);
  *out = is_known ? me : NULL;
  return is_known ? S_OK : E_NOINTERFACE;
}

static ULONG WINAPI factory_references(IClassFactory *me) { return 2; }

static HRESULT WINAPI create_instance(IClassFactory *me, IUnknown *outer, REFIID id, void **out) {
  Object *manager;
  *out = NULL;
  if (outer) return CLASS_E_NOAGGREGATION;
  make(&WRITABLE, NULL, NULL, NULL, NULL, &manager);
  HRESULT result = query_interface(manager, id, (Object **)out);
  release(manager);
  return result;
}

static HRESULT WINAPI lock_server(IClassFactory *me, BOOL lock) { return S_OK; }

__declspec(dllexport) HRESULT WINAPI DllGetClassObject(REFCLSID class, REFIID id, void **out) {
  static IClassFactoryVtbl methods = {
      factory_query_interface, factory_references, factory_references, create_instance, lock_server};
  static IClassFactory factory = {&methods};
  *out = NULL;
  return IsEqualCLSID(class, &CLASS) ? factory_query_interface(&factory, id, out) : CLASS_E_CLASSNOTAVAILABLE;
}

__declspec(dllexport) HRESULT WINAPI DllCanUnloadNow(void) { return live ? S_FALSE : S_OK; }

BOOL WINAPI DllMain(HINSTANCE library, DWORD reason, void *reserved) {
  if (reason == DLL_PROCESS_DETACH && live) loud("objects that were never let go of");
  return TRUE;
}
