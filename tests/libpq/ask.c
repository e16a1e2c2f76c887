/* Asks the libpq named on the command line, one question a line on standard input.
 *
 * No header of libpq is needed: the few declarations here have been the same since PostgreSQL 9.
 * Texts go as hexadecimal digits, so that any byte can be in them.
 *
 *   K                       the keywords it knows, with what they are by default
 *   S TEXT                  what PQconninfoParse makes of a string
 *   C [NAME=VALUE ...] [h:TEXT] [p:TEXT] [u:TEXT] [d:TEXT]
 *                           what psql's way of connecting makes of an environment and options
 *
 * The answer is one line: "E TEXT" with the complaint, or "O" and KEYWORD=TEXT for each value.
 */
#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

typedef struct
{
    char *keyword, *envvar, *compiled, *val, *label, *dispchar;
    int dispsize;
} Option;

static Option *(*parse)(const char *, char **);
static Option *(*defaults)(void);
static void (*free_options)(Option *);
static void *(*start)(const char *const *, const char *const *, int);
static int (*status)(const void *);
static int (*poll_connection)(void *);
static int (*socket_of)(const void *);
static void (*finish)(void *);
static Option *(*options_of)(void *);
static char *(*host_of)(const void *);
static char *(*port_of)(const void *);
static char *(*password_of)(const void *);
static char *(*complaint_of)(const void *);

static void put(const char *text)
{
    for (; *text; text++)
        printf("%02x", (unsigned char) *text);
}

static char *take(const char *hex)
{
    size_t length = strlen(hex) / 2;
    char *text = malloc(length + 1);
    unsigned byte;

    for (size_t i = 0; i < length; i++)
    {
        sscanf(hex + 2 * i, "%2x", &byte);
        text[i] = (char) byte;
    }
    text[length] = 0;
    return text;
}

static void pair(const char *name, const char *value)
{
    if (value == NULL)
        return;
    printf(" %s=", name);
    put(value);
}

static void all(Option *options)
{
    for (Option *o = options; o && o->keyword; o++)
        pair(o->keyword, o->val);
}

static void ask_string(const char *text)
{
    char *complaint = NULL;
    Option *options = parse(text, &complaint);

    if (options == NULL)
    {
        printf("E ");
        put(complaint ? complaint : "");
    }
    else
    {
        printf("O");
        all(options);
        free_options(options);
    }
}

static void ask_setting(char *rest)
{
    const char *keywords[] = {"host", "port", "user", "dbname", "fallback_application_name", NULL};
    const char *values[] = {NULL, NULL, NULL, NULL, "stagegate", NULL};
    static char *nothing[] = {NULL};
    void *conn;
    int complete = 0;

    environ = nothing;
    for (char *word = strtok(rest, " "); word; word = strtok(NULL, " "))
    {
        char *equals = strchr(word, '=');

        if (equals)
        {
            *equals = 0;
            setenv(word, take(equals + 1), 1);
        }
        else
        {
            const char *which = strchr("hpud", word[0]);

            values[which - strchr("hpud", 'h')] = take(word + 2);
        }
    }
    /* "hpud" is in the order of the keywords. */
    conn = start(keywords, values, 1);
    /* Nobody listens anywhere here, so this ends at the last host; 0 is OK, 1 is BAD. */
    while (status(conn) > 1)
    {
        int wants = complete ? poll_connection(conn) : 2;
        struct pollfd wait = {socket_of(conn), wants == 1 ? POLLIN : POLLOUT, 0};

        complete = 1;
        if (wants == 0 || wants == 3)
            break;
        poll(&wait, 1, 5000);
    }
    if (strncmp(complaint_of(conn), "connection to server", 20) != 0)
    {
        printf("E ");
        put(complaint_of(conn));
    }
    else
    {
        Option *options = options_of(conn);

        printf("O");
        all(options);
        pair("HOST", host_of(conn));
        pair("PORT", port_of(conn));
        pair("PASS", password_of(conn));
        pair("SAID", complaint_of(conn));
        free_options(options);
    }
    finish(conn);
}

int main(int count, char **arguments)
{
    void *library = dlopen(count > 1 ? arguments[1] : "libpq.so.5", RTLD_NOW);
    char *line = NULL;
    size_t room = 0;

    if (library == NULL)
    {
        fprintf(stderr, "%s\n", dlerror());
        return 3;
    }
    parse = dlsym(library, "PQconninfoParse");
    defaults = dlsym(library, "PQconndefaults");
    free_options = dlsym(library, "PQconninfoFree");
    start = dlsym(library, "PQconnectStartParams");
    status = dlsym(library, "PQstatus");
    poll_connection = dlsym(library, "PQconnectPoll");
    socket_of = dlsym(library, "PQsocket");
    finish = dlsym(library, "PQfinish");
    options_of = dlsym(library, "PQconninfo");
    host_of = dlsym(library, "PQhost");
    port_of = dlsym(library, "PQport");
    password_of = dlsym(library, "PQpass");
    complaint_of = dlsym(library, "PQerrorMessage");
    while (getline(&line, &room, stdin) > 0)
    {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == 'S')
        {
            char *text = take(line + 2);

            ask_string(text);
            free(text);
        }
        else if (line[0] == 'C')
            ask_setting(line + 1);
        else
        {
            printf("O");
            for (Option *o = defaults(); o && o->keyword; o++)
                pair(o->keyword, o->compiled ? o->compiled : "");
        }
        printf("\n");
        fflush(stdout);
    }
    return 0;
}
