/* A driver's heap with a delete list in it, dumped as it really lies in memory.
 *
 *   heap_dump x64|x86 COUNT SEED IMAGE TABLE
 *
 * mallocs COUNT nodes among other allocations of all sizes, some of them freed again, links the nodes in random order, and
 * writes IMAGE: the bytes of the heap from the first node's page to the last node, and TABLE: the bundles that the
 * nodes name, as `saoffload walk` reads them. Prints {"base", "size", "head", "nodes"} as JSON on standard output.
 *
 * The structures are declared as a driver declares them; the x86 ones through fixed-width fields, and their addresses
 * are the low 32 bits of the real ones, as a 32-bit process would have them.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint8_t Type;
    uint8_t Revision;
    uint16_t Size;
} NDIS_OBJECT_HEADER;

typedef struct DELETE_SA_X64 {
    NDIS_OBJECT_HEADER Header;
    struct DELETE_SA_X64 *Next;
    void *OffloadHandle;
} DELETE_SA_X64;

typedef struct {
    NDIS_OBJECT_HEADER Header;
    uint32_t Next;
    uint32_t OffloadHandle;
} DELETE_SA_X86;

_Static_assert(sizeof(void *) == 8, "the x64 nodes are this machine's own");
_Static_assert(sizeof(DELETE_SA_X64) == 24 && offsetof(DELETE_SA_X64, Next) == 8, "x64 layout");
_Static_assert(offsetof(DELETE_SA_X64, OffloadHandle) == 16, "x64 layout");
_Static_assert(sizeof(DELETE_SA_X86) == 12 && offsetof(DELETE_SA_X86, Next) == 4, "x86 layout");
_Static_assert(offsetof(DELETE_SA_X86, OffloadHandle) == 8, "x86 layout");

static uint64_t random_state;

static uint64_t next_random(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "heap_dump: %s\n", what);
    exit(2);
}

/* Whatever else a driver keeps on its heap; never all zero, so that nothing works by luck. */
static void *other_allocation(void)
{
    size_t size = 1 + next_random(200);
    uint8_t *bytes = malloc(size);
    if (!bytes)
        fail("out of memory");
    for (size_t k = 0; k < size; k++)
        bytes[k] = (uint8_t)next_random(256);
    return bytes;
}

static void fill_x64(DELETE_SA_X64 *node, DELETE_SA_X64 *next, uint32_t handle)
{
    memset(node, 0xA5, sizeof *node); /* the padding has no defined content */
    node->Header = (NDIS_OBJECT_HEADER){0x80, 1, sizeof *node};
    node->Next = next;
    node->OffloadHandle = (void *)(uintptr_t)handle;
}

static void fill_x86(DELETE_SA_X86 *node, void *next, uint32_t handle)
{
    node->Header = (NDIS_OBJECT_HEADER){0x80, 1, sizeof *node};
    node->Next = (uint32_t)(uintptr_t)next;
    node->OffloadHandle = handle;
}

static void write_table(const char *path, size_t count)
{
    FILE *table = fopen(path, "w");
    if (!table)
        fail("cannot write the table");
    fprintf(table, "{\"bundles\": [\n");
    for (size_t k = 0; k < count; k++)
        fprintf(table,
                "  {\"handle\": \"0x%08zx\", \"direction\": \"%s\", \"sas\": [{\"spi\": \"0x%zx\", \"dst\": \"%s\","
                " \"protocol\": \"%s\"}]}%s\n",
                0x80000000u + k, k % 5 ? "in" : "out", 0x1000 + k, k % 3 ? "192.0.2.1" : "2001:db8::1",
                k % 7 ? "esp" : "ah", k + 1 < count ? "," : "");
    fprintf(table, "]}\n");
    if (fclose(table))
        fail("cannot write the table");
}

int main(int argc, char **argv)
{
    if (argc != 6)
        fail("usage: heap_dump x64|x86 COUNT SEED IMAGE TABLE");
    int is_x86 = !strcmp(argv[1], "x86");
    size_t count = strtoul(argv[2], NULL, 0);
    random_state = strtoull(argv[3], NULL, 0) * 0x9E3779B97F4A7C15u | 1;
    size_t node_size = is_x86 ? sizeof(DELETE_SA_X86) : sizeof(DELETE_SA_X64);
    if (!count)
        fail("COUNT must be at least 1");

    void **nodes = calloc(count, sizeof *nodes);
    size_t *order = calloc(count, sizeof *order);
    if (!nodes || !order)
        fail("out of memory");
    for (size_t k = 0; k < count; k++) {
        void *freed = other_allocation();
        void *kept = next_random(2) ? other_allocation() : NULL;
        nodes[k] = malloc(node_size);
        if (!nodes[k])
            fail("out of memory");
        free(freed);
        (void)kept; /* lives as long as the process: it is part of the dump */
        order[k] = k;
    }
    for (size_t k = count - 1; k > 0; k--) {
        size_t other = next_random(k + 1), held = order[k];
        order[k] = order[other];
        order[other] = held;
    }
    uintptr_t low = UINTPTR_MAX, high = 0;
    for (size_t k = 0; k < count; k++) {
        void *node = nodes[order[k]], *next = k + 1 < count ? nodes[order[k + 1]] : NULL;
        uint32_t handle = 0x80000000u + (uint32_t)order[k];
        if (is_x86)
            fill_x86(node, next, handle);
        else
            fill_x64(node, next, handle);
        if ((uintptr_t)node < low)
            low = (uintptr_t)node;
        if ((uintptr_t)node + node_size > high)
            high = (uintptr_t)node + node_size;
    }
    /* Whole words, and the first node at its real place in its page. */
    low &= ~(uintptr_t)7;
    high = (high + 7) & ~(uintptr_t)7;
    if (is_x86 && (low >> 32) != ((high - 1) >> 32))
        fail("the heap lies across 4 GB: a 32-bit process cannot have it so; run again");

    FILE *image = fopen(argv[4], "wb");
    if (!image || fwrite((void *)low, 1, high - low, image) != high - low || fclose(image))
        fail("cannot write the image");
    write_table(argv[5], count);
    uint64_t mask = is_x86 ? UINT32_MAX : UINT64_MAX;
    printf("{\"base\": \"0x%" PRIx64 "\", \"size\": %" PRIu64 ", \"head\": \"0x%" PRIx64 "\", \"nodes\": [", low & mask,
           (uint64_t)(high - low), (uint64_t)(uintptr_t)nodes[order[0]] & mask);
    for (size_t k = 0; k < count; k++)
        printf("%s\"0x%" PRIx64 "\"", k ? ", " : "", (uint64_t)(uintptr_t)nodes[order[k]] & mask);
    printf("]}\n");
    return 0;
}
