/* SPDX-License-Identifier: Apache-2.0
 * syntax_int: tokens and tree of the JavaScript subset that expressions are written in. The tree
 * lives in an arena and is thrown away after its code is written.
 */
#ifndef CATALYST_EXPR_SYNTAX_INT_H
#define CATALYST_EXPR_SYNTAX_INT_H
#include "base/str.h"
#include "expr/expr.h"

/* Operators and punctuation: name, spelling. Longer spellings come before their prefixes. */
/* Version 14 of the formatter never settles on these lines. */
/* clang-format off */
#define TOKEN_OPS(X)                                                                               \
    X(USHR_ASSIGN, ">>>=")                                                                         \
    X(ELLIPSIS, "...")                                                                             \
    X(STRICT_EQ, "===")                                                                            \
    X(STRICT_NE, "!==")                                                                            \
    X(POWER_ASSIGN, "**=")                                                                         \
    X(USHR, ">>>")                                                                                 \
    X(AND_ASSIGN, "&&=")                                                                           \
    X(OR_ASSIGN, "||=")                                                                            \
    X(NULLISH_ASSIGN, "?" "?=")                                                                    \
    X(SHL_ASSIGN, "<<=")                                                                           \
    X(SHR_ASSIGN, ">>=")                                                                           \
    X(ARROW, "=>")                                                                                 \
    X(EQ, "==")                                                                                    \
    X(NE, "!=")                                                                                    \
    X(LE, "<=")                                                                                    \
    X(GE, ">=")                                                                                    \
    X(AND, "&&")                                                                                   \
    X(OR, "||")                                                                                    \
    X(NULLISH, "??")                                                                               \
    X(CHAIN, "?.")                                                                                 \
    X(POWER, "**")                                                                                 \
    X(INCREMENT, "++")                                                                             \
    X(DECREMENT, "--")                                                                             \
    X(ADD_ASSIGN, "+=")                                                                            \
    X(SUB_ASSIGN, "-=")                                                                            \
    X(MUL_ASSIGN, "*=")                                                                            \
    X(DIV_ASSIGN, "/=")                                                                            \
    X(MOD_ASSIGN, "%=")                                                                            \
    X(BITAND_ASSIGN, "&=")                                                                         \
    X(BITOR_ASSIGN, "|=")                                                                          \
    X(XOR_ASSIGN, "^=")                                                                            \
    X(SHL, "<<")                                                                                   \
    X(SHR, ">>")                                                                                   \
    X(LPAREN, "(")                                                                                 \
    X(RPAREN, ")")                                                                                 \
    X(LBRACKET, "[")                                                                               \
    X(RBRACKET, "]")                                                                               \
    X(LBRACE, "{")                                                                                 \
    X(RBRACE, "}")                                                                                 \
    X(DOT, ".")                                                                                    \
    X(COMMA, ",")                                                                                  \
    X(SEMICOLON, ";")                                                                              \
    X(COLON, ":")                                                                                  \
    X(QUESTION, "?")                                                                               \
    X(ASSIGN, "=")                                                                                 \
    X(LT, "<")                                                                                     \
    X(GT, ">")                                                                                     \
    X(ADD, "+")                                                                                    \
    X(SUB, "-")                                                                                    \
    X(MUL, "*")                                                                                    \
    X(DIV, "/")                                                                                    \
    X(MOD, "%")                                                                                    \
    X(NOT, "!")                                                                                    \
    X(BITNOT, "~")                                                                                 \
    X(BITAND, "&")                                                                                 \
    X(BITOR, "|")                                                                                  \
    X(XOR, "^")                                                                                    \
    X(BACKTICK, "`")
/* clang-format on */

enum token_type {
    TOKEN_END = 1,
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_NAME, /* identifiers and keywords: `text` tells */
#define X(name, text) TOKEN_##name,
    TOKEN_OPS(X)
#undef X
    /* operators spelled as words; made by the parser */
    TOKEN_IN,
    TOKEN_INSTANCEOF,
    TOKEN_TYPEOF,
    TOKEN_VOID,
};

struct token {
    enum token_type type;
    bool newline; /* a line break before it */
    uint32_t at;  /* offset in the source */
    double number;
    wf_str text; /* a name; a string's value */
};

struct lexer {
    struct arena *arena;
    const char *src;
    uint32_t len, pos; /* pos: behind `token` */
    struct token token;
    uint32_t prev_end; /* where the token before ended */
    struct expr_error *error;
    bool failed;
};

/* Reads the next token into lex->token. */
void lex_next(struct lexer *lex);
/* The current token is `/` or `/=`: reads a regular expression instead. */
bool lex_regex(struct lexer *lex, wf_str *body, wf_str *flags);
/* Reads text of a template literal from lex->pos up to "${" (true) or the closing backtick (false),
 * behind which lex->pos then is. */
bool lex_template(struct lexer *lex, wf_str *text);
/* Notes the first error; every later token is TOKEN_END, so parsing unwinds by itself. */
void lex_fail(struct lexer *lex, uint32_t at, const char *format, ...) WF_PRINTF(3, 4);
const char *token_text(enum token_type type);

enum node_type {
    NODE_NUMBER = 1,
    NODE_STRING,
    NODE_NULL,
    NODE_UNDEFINED,
    NODE_TRUE,
    NODE_FALSE,
    NODE_TEMPLATE, /* a: list of NODE_STRING and expressions in turn */
    NODE_REGEX,    /* text, flags */
    NODE_ARRAY,    /* a: list */
    NODE_OBJECT,   /* a: list of NODE_PAIR and NODE_SPREAD */
    NODE_PAIR,     /* a: key, b: value */
    NODE_NAME,     /* text */
    NODE_MEMBER,   /* a.text */
    NODE_INDEX,    /* a[b] */
    NODE_CALL,     /* a(b list) */
    NODE_NEW,      /* new a(b list) */
    NODE_ARROW,    /* a: parameters, b: expression or NODE_BLOCK */
    NODE_UNARY,    /* op a */
    NODE_BINARY,   /* a op b */
    NODE_LOGICAL,  /* a && || ?? b */
    NODE_COND,     /* a ? b : c */
    NODE_SPREAD,   /* ...a; as a parameter: the rest */
    NODE_CHAIN,    /* a holds a link with `optional`; where it stops the whole is undefined */
    NODE_HOLE,     /* a place left out of an array */
    NODE_DEFAULT,  /* parameter a with default b */
    NODE_BLOCK,    /* a: statements */
    NODE_DECLARE,  /* a: name or pattern, b: value or NULL */
    NODE_IF,       /* a, then b, else c */
    NODE_RETURN,   /* a or NULL */
    NODE_EVAL,     /* statement of expression a */
};

struct node {
    enum node_type type;
    enum token_type op;
    bool optional; /* ?. */
    bool constant; /* NODE_DECLARE: const */
    uint32_t at;
    struct node *a, *b, *c, *next;
    double number;
    wf_str text, flags;
};

/* Parses the expression that starts at lex->pos and leaves lex->token at what follows it. Never
 * NULL; look at lex->failed. */
struct node *parse_expression(struct lexer *lex);

#endif
