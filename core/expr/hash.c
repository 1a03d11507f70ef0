/* SPDX-License-Identifier: Apache-2.0
 * hash: the string functions hash(), base64Encode() and base64Decode(). Digests are OpenSSL's. The
 * worker's thread.
 */
#include "expr/expr_int.h"
#include "base/base64.h"
#include "base/hex.h"
#include <openssl/evp.h>

static int push_base64(lua_State *L, const char *s, size_t len)
{
    luaL_Buffer b;
    size_t digits = (len + 2) / 3 * 4;
    base64_encode(luaL_buffinitsize(L, &b, digits), s, len);
    luaL_pushresultsize(&b, digits);
    return 1;
}

int js_base64_encode(lua_State *L)
{
    size_t len;
    const char *s = js_arg_string(L, 1, &len);
    return push_base64(L, s, len);
}

/* Reads both alphabets and skips what is in neither. */
int js_base64_decode(lua_State *L)
{
    size_t len;
    unsigned bits = 0, n = 0;
    const char *s = js_arg_string(L, 1, &len);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (size_t i = 0; i < len && s[i] != '='; i++) {
        int v = base64_digit(s[i]);
        if (v < 0)
            continue;
        bits = bits << 6 | (unsigned)v;
        if ((n += 6) < 8)
            continue;
        n -= 8;
        luaL_addchar(&b, (char)(bits >> n & 255));
    }
    luaL_pushresult(&b);
    return 1;
}

int js_hash(lua_State *L)
{
    static const struct {
        const char *name, *openssl;
    } names[] = { { "md5", "MD5" },       { "sha1", "SHA1" },     { "sha224", "SHA224" },
                  { "sha256", "SHA256" }, { "sha384", "SHA384" }, { "sha512", "SHA512" },
                  { "sha3", "SHA3-512" } };
    size_t len;
    lua_settop(L, 2);
    const char *name = lua_isnil(L, 2) ? "md5" : js_arg_string(L, 2, NULL);
    const char *s = js_arg_string(L, 1, &len);
    if (!strcmp(name, "base64"))
        return push_base64(L, s, len);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const EVP_MD *md =
            strcasecmp(names[i].name, name) ? NULL : EVP_get_digestbyname(names[i].openssl);
        if (!md || !EVP_Digest(s, len, digest, &size, md, NULL))
            continue;
        char hex[2 * EVP_MAX_MD_SIZE];
        hex_encode(hex, digest, size);
        lua_pushlstring(L, hex, (size_t)2 * size);
        return 1;
    }
    return luaL_error(
        L, "hash() knows md5, base64, sha1, sha224, sha256, sha384, sha512 and sha3, not '%s'",
        name);
}
