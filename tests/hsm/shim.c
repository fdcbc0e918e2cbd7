/* A PKCS#11 module that stands before another one and fails on demand.
 *
 * REAL_MODULE and SHIM_CONTROL in the environment name the module behind it and a file that the
 * test writes (struct control, mapped). Every function has at most eight arguments of at most a
 * machine word, so one stub serves them all (System V and AAPCS64 pass surplus arguments unseen).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef unsigned long word;
typedef word (*function)(word, word, word, word, word, word, word, word);
struct list {
    unsigned char version[2];
    function call[68];
};
struct control {
    _Atomic int hang;         /* number of the function that does not return, plus one */
    _Atomic int hanging;      /* calls that do not return now */
    _Atomic int removed;      /* the token is out of its slot */
    _Atomic int fail;         /* number of the function that fails, plus one */
    _Atomic int fail_times;   /* how often; -1: always */
    _Atomic int fail_with;    /* the return value */
    _Atomic int no_locks;     /* the module cannot lock */
    _Atomic int overlaps;     /* calls that came while another one was inside */
    _Atomic int most_sessions;/* 0: no limit */
    _Atomic int sessions;     /* open now */
    _Atomic int calls[68];
    _Atomic int inside;
};
enum { INITIALIZE = 0, FINALIZE = 1, GET_INFO = 2, GET_SLOT_LIST = 4, OPEN_SESSION = 12,
       CLOSE_SESSION = 13, CLOSE_ALL_SESSIONS = 14 };
enum { CANT_LOCK = 0x0a, DEVICE_REMOVED = 0x32, TOKEN_NOT_PRESENT = 0xe0, SESSION_COUNT = 0xb1 };

static struct control *control;
static struct list *real, mine;
static _Atomic int was_removed;
/* Sessions are cut while nobody is inside: neither vendor survives it otherwise. */
static pthread_rwlock_t using = PTHREAD_RWLOCK_INITIALIZER;

static void cut_sessions(void)
{
    word slots[64], count = 64;
    pthread_rwlock_wrlock(&using);
    if (real->call[GET_SLOT_LIST](1, (word)slots, (word)&count, 0, 0, 0, 0, 0) == 0)
        for (word i = 0; i < count; i++)
            real->call[CLOSE_ALL_SESSIONS](slots[i], 0, 0, 0, 0, 0, 0, 0);
    control->sessions = 0;
    pthread_rwlock_unlock(&using);
}

static word before(int number, word *arguments)
{
    control->calls[number]++;
    if (control->hang == number + 1) {
        control->hanging++;
        while (control->hang == number + 1)
            usleep(1000);
        control->hanging--;
    }
    if (control->fail == number + 1 && control->fail_times != 0) {
        if (control->fail_times > 0)
            control->fail_times--;
        return (word)control->fail_with;
    }
    if (number == INITIALIZE && control->no_locks && arguments[0] &&
        (((word *)arguments[0])[4] & 2))
        return CANT_LOCK;
    if (control->removed && number > GET_INFO) {
        if (!atomic_exchange(&was_removed, 1))
            cut_sessions();
        if (number == GET_SLOT_LIST) {
            *(word *)arguments[2] = 0;
            return 0;
        }
        return number == OPEN_SESSION ? TOKEN_NOT_PRESENT : DEVICE_REMOVED;
    }
    was_removed = 0;
    if (number == OPEN_SESSION && control->most_sessions &&
        control->sessions >= control->most_sessions)
        return SESSION_COUNT;
    return 0;
}

static word forward(int number, word a, word b, word c, word d, word e, word f, word g, word h)
{
    word arguments[] = {a, b, c, d, e, f, g, h};
    word rv = before(number, arguments);
    if (rv == 0 && number == GET_SLOT_LIST && control->removed)
        return 0;
    if (rv != 0)
        return rv;
    pthread_rwlock_rdlock(&using);
    if (atomic_fetch_add(&control->inside, 1) > 0)
        control->overlaps++;
    rv = real->call[number](a, b, c, d, e, f, g, h);
    atomic_fetch_sub(&control->inside, 1);
    pthread_rwlock_unlock(&using);
    if (number == OPEN_SESSION && rv == 0)
        control->sessions++;
    if (number == CLOSE_SESSION && rv == 0)
        control->sessions--;
    if (number == FINALIZE)
        control->sessions = 0;
    return rv;
}

#define STUB(n)                                                                                  \
    static word stub_##n(word a, word b, word c, word d, word e, word f, word g, word h)         \
    { return forward(n, a, b, c, d, e, f, g, h); }
#define TEN(t) STUB(t##0) STUB(t##1) STUB(t##2) STUB(t##3) STUB(t##4) STUB(t##5) STUB(t##6)      \
    STUB(t##7) STUB(t##8) STUB(t##9)
#define NAMES(t) stub_##t##0, stub_##t##1, stub_##t##2, stub_##t##3, stub_##t##4, stub_##t##5,   \
    stub_##t##6, stub_##t##7, stub_##t##8, stub_##t##9
TEN() TEN(1) TEN(2) TEN(3) TEN(4) TEN(5)
STUB(60) STUB(61) STUB(62) STUB(63) STUB(64) STUB(65) STUB(66) STUB(67)

word C_GetFunctionList(struct list **list)
{
    function names[] = {NAMES(), NAMES(1), NAMES(2), NAMES(3), NAMES(4), NAMES(5),
                        stub_60, stub_61, stub_62, stub_63, stub_64, stub_65, stub_66, stub_67};
    void *library = dlopen(getenv("REAL_MODULE"), RTLD_NOW | RTLD_LOCAL);
    int file = open(getenv("SHIM_CONTROL"), O_RDWR);
    word (*get)(struct list **);
    if (!library || file < 0)
        return 5;
    control = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    get = (word (*)(struct list **))dlsym(library, "C_GetFunctionList");
    if (get(&real) != 0)
        return 5;
    memcpy(mine.version, real->version, 2);
    memcpy(mine.call, names, sizeof names);
    *list = &mine;
    return 0;
}
