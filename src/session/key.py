import sys
n = int(sys.argv[1], 16) << 4
h = [ord(c) for c in "age-secret-key-"]
d = [n >> 5 * i & 31 for i in range(51, -1, -1)]
c = 1
for v in [x >> 5 for x in h] + [0] + [x & 31 for x in h] + d + [0] * 6:
    b, c = c >> 25, (c & 0x1FFFFFF) << 5 ^ v
    for i, g in enumerate([0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3]):
        c ^= g * (b >> i & 1)
d += [(c ^ 1) >> 5 * i & 31 for i in range(5, -1, -1)]
print(("age-secret-key-1" + "".join("qpzry9x8gf2tvdw0s3jn54khce6mua7l"[v] for v in d)).upper())
