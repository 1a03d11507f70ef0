/* SPDX-License-Identifier: Apache-2.0
 * numbers: Math and the methods of numbers. The worker's thread.
 */
#include "expr/expr_int.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* JavaScript rounds halves up, also below zero. */
double js_round(double d)
{
    double down = floor(d);
    return d - down >= 0.5 ? down + 1 : down;
}

#define MATH(name, formula)                                                                        \
    static int math_##name(lua_State *L)                                                           \
    {                                                                                              \
        double x = js_to_number(L, 1);                                                             \
        lua_pushnumber(L, formula);                                                                \
        return 1;                                                                                  \
    }
MATH(abs, fabs(x))
MATH(ceil, ceil(x))
MATH(floor, floor(x))
MATH(round, js_round(x))
MATH(trunc, trunc(x))
MATH(sign, x > 0 ? 1 : x < 0 ? -1 : x)
MATH(sqrt, sqrt(x))
MATH(cbrt, cbrt(x))
MATH(exp, exp(x))
MATH(expm1, expm1(x))
MATH(log, log(x))
MATH(log2, log2(x))
MATH(log10, log10(x))
MATH(log1p, log1p(x))
MATH(sin, sin(x))
MATH(cos, cos(x))
MATH(tan, tan(x))
MATH(asin, asin(x))
MATH(acos, acos(x))
MATH(atan, atan(x))
MATH(sinh, sinh(x))
MATH(cosh, cosh(x))
MATH(tanh, tanh(x))
MATH(fround, (double)(float)x)

static int math_atan2(lua_State *L)
{
    lua_pushnumber(L, atan2(js_to_number(L, 1), js_to_number(L, 2)));
    return 1;
}

static int math_pow(lua_State *L)
{
    lua_pushnumber(L, pow(js_to_number(L, 1), js_to_number(L, 2)));
    return 1;
}

static int math_hypot(lua_State *L)
{
    double sum = 0;
    for (int i = 1; i <= lua_gettop(L); i++)
        sum += js_to_number(L, i) * js_to_number(L, i);
    lua_pushnumber(L, sqrt(sum));
    return 1;
}

static int extreme(lua_State *L, bool max)
{
    double best = max ? -INFINITY : INFINITY;
    int n = lua_gettop(L);
    for (int i = 1; i <= n; i++) {
        double d = js_to_number(L, i);
        if (d != d) {
            best = d;
            break;
        }
        if (max ? d > best : d < best)
            best = d;
    }
    lua_pushnumber(L, best);
    return 1;
}

static int math_max(lua_State *L) { return extreme(L, true); }

static int math_min(lua_State *L) { return extreme(L, false); }

/* Not for secrets: a generator of the state, seeded from the clock once. */
static int math_random(lua_State *L)
{
    struct expr_lua *lua = js_lua(L);
    if (!lua->random)
        lua->random = (uint64_t)lua->scope->now_us * 0x9E3779B97F4A7C15u ^ (uint64_t)(uintptr_t)lua;
    uint64_t z = lua->random += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    lua_pushnumber(L, (double)(z >> 11) * 0x1p-53);
    return 1;
}

const struct js_method js_math_statics[] = {
    { "Math.abs", math_abs },
    { "Math.ceil", math_ceil },
    { "Math.floor", math_floor },
    { "Math.round", math_round },
    { "Math.trunc", math_trunc },
    { "Math.sign", math_sign },
    { "Math.sqrt", math_sqrt },
    { "Math.cbrt", math_cbrt },
    { "Math.exp", math_exp },
    { "Math.expm1", math_expm1 },
    { "Math.log", math_log },
    { "Math.log2", math_log2 },
    { "Math.log10", math_log10 },
    { "Math.log1p", math_log1p },
    { "Math.sin", math_sin },
    { "Math.cos", math_cos },
    { "Math.tan", math_tan },
    { "Math.asin", math_asin },
    { "Math.acos", math_acos },
    { "Math.atan", math_atan },
    { "Math.sinh", math_sinh },
    { "Math.cosh", math_cosh },
    { "Math.tanh", math_tanh },
    { "Math.fround", math_fround },
    { "Math.atan2", math_atan2 },
    { "Math.pow", math_pow },
    { "Math.hypot", math_hypot },
    { "Math.max", math_max },
    { "Math.min", math_min },
    { "Math.random", math_random },
    { NULL, NULL },
};

/* --- methods ---------------------------------------------------------------------------------- */

/* JavaScript rounds the exact decimal value, ties up; printf rounds ties to even. They differ on
 * exact ties only, which show as a 5 followed by zeros in enough digits. */
static size_t fixed(double d, int digits, char *to, size_t size)
{
    if (fabs(d) >= 1e21)
        return text_of_number(d, to);
    char exact[400];
    int len = snprintf(exact, sizeof exact, "%.*f", digits + 60 > 300 ? 300 : digits + 60, fabs(d));
    char *dot = strchr(exact, '.');
    const char *rest = dot ? dot + 1 + digits : exact + len;
    bool tie = rest < exact + len && *rest == '5' && strspn(rest + 1, "0") == strlen(rest + 1);
    if (tie) /* one unit in the last place up decides it */
        return (size_t)snprintf(to, size, "%.*f", digits,
                                nextafter(d, d < 0 ? -INFINITY : INFINITY));
    return (size_t)snprintf(to, size, "%.*f", digits, d);
}

static int digits_arg(lua_State *L, int at, int64_t missing, int64_t min)
{
    int64_t n = js_arg_integer(L, at, missing);
    if (n < min || n > 100)
        luaL_error(L, "digits must be between %I and 100", (LUAI_UACINT)min);
    return (int)n;
}

static int number_to_fixed(lua_State *L)
{
    char text[512];
    double d = lua_tonumber(L, 1);
    int digits = digits_arg(L, 2, 0, 0);
    size_t len = isfinite(d) ? fixed(d, digits, text, sizeof text) : text_of_number(d, text);
    /* -0.00 prints without its sign */
    bool zero = text[0] == '-' && strspn(text + 1, "0.") == len - 1 && d == 0;
    lua_pushlstring(L, text + zero, len - zero);
    return 1;
}

static int number_to_precision(lua_State *L)
{
    char text[160];
    double d = lua_tonumber(L, 1);
    if (js_is_missing(L, 2) || !isfinite(d)) {
        js_to_string(L, 1, NULL);
        return 1;
    }
    int digits = digits_arg(L, 2, 0, 1);
    snprintf(text, sizeof text, "%.*e", digits - 1, d);
    char *e = strchr(text, 'e');
    int exponent = atoi(e + 1);
    if (exponent >= -6 && exponent < digits)
        snprintf(text, sizeof text, "%.*f", digits - 1 - exponent, d);
    else
        sprintf(e, "e%+d", exponent);
    lua_pushstring(L, text);
    return 1;
}

static int number_to_exponential(lua_State *L)
{
    char text[160];
    double d = lua_tonumber(L, 1);
    int digits = digits_arg(L, 2, -1, -1);
    if (digits < 0)
        for (digits = 0; digits < 17; digits++) {
            snprintf(text, sizeof text, "%.*e", digits, d);
            if (strtod(text, NULL) == d)
                break;
        }
    snprintf(text, sizeof text, "%.*e", digits, d);
    char *e = strchr(text, 'e');
    if (e)
        sprintf(e, "e%+d", atoi(e + 1));
    lua_pushstring(L, text);
    return 1;
}

static int number_to_string(lua_State *L)
{
    int64_t base = js_arg_integer(L, 2, 10);
    double d = lua_tonumber(L, 1), whole;
    if (base == 10 || !isfinite(d)) {
        js_to_string(L, 1, NULL);
        return 1;
    }
    if (base < 2 || base > 36)
        return luaL_error(L, "toString() knows bases from 2 to 36");
    char text[1200], *at = text + 1100, *end = at;
    double fraction = modf(fabs(d), &whole);
    do {
        *--at = "0123456789abcdefghijklmnopqrstuvwxyz"[(int)fmod(whole, (double)base)];
        whole = floor(whole / (double)base);
    } while (whole > 0 && at > text + 1);
    if (d < 0)
        *--at = '-';
    if (fraction > 0)
        *end++ = '.';
    for (int i = 0; fraction > 0 && i < 52; i++) {
        fraction = modf(fraction * (double)base, &whole);
        *end++ = "0123456789abcdefghijklmnopqrstuvwxyz"[(int)whole];
    }
    lua_pushlstring(L, at, (size_t)(end - at));
    return 1;
}

/* 1,234,567.891: what toLocaleString("en-US") gives. */
void js_push_grouped(lua_State *L, double d, int min_digits, int max_digits)
{
    char text[512], out[700], *to = out;
    if (!isfinite(d)) {
        lua_pushstring(L, d != d ? "NaN" : d < 0 ? "-∞" : "∞");
        return;
    }
    fixed(d, max_digits, text, sizeof text);
    char *dot = strchr(text, '.'), *s = text;
    for (size_t len = strlen(text);
         dot && len > (size_t)(dot - text) + 1 + (size_t)min_digits && text[len - 1] == '0';)
        text[--len] = '\0';
    if (dot && !dot[1])
        *dot = '\0';
    if (*s == '-')
        *to++ = *s++;
    size_t whole = strcspn(s, ".");
    for (size_t i = 0; i < whole; i++) {
        if (i && (whole - i) % 3 == 0)
            *to++ = ',';
        *to++ = s[i];
    }
    strcpy(to, s + whole);
    lua_pushstring(L, out);
}

/* An option of toLocaleString's second argument as a number. */
static int64_t option(lua_State *L, const char *name, int64_t missing)
{
    if (js_type(L, 3) != JS_OBJECT)
        return missing;
    js_get(L, 3, name, strlen(name));
    int64_t n = js_arg_integer(L, lua_gettop(L), missing);
    lua_pop(L, 1);
    return n < 0 ? 0 : n > 100 ? 100 : n;
}

static int number_to_locale(lua_State *L)
{
    lua_settop(L, 3);
    int64_t min = option(L, "minimumFractionDigits", 0);
    int64_t max = option(L, "maximumFractionDigits", min > 3 ? min : 3);
    js_push_grouped(L, lua_tonumber(L, 1), (int)min, (int)(max < min ? min : max));
    return 1;
}

static int number_value(lua_State *L)
{
    lua_settop(L, 1);
    return 1;
}

const struct js_method js_number_methods[] = {
    { "toFixed", number_to_fixed },
    { "toPrecision", number_to_precision },
    { "toExponential", number_to_exponential },
    { "toString", number_to_string },
    { "toLocaleString", number_to_locale },
    { "valueOf", number_value },
    { NULL, NULL },
};
