#include "formats/sort.h"

/* Lets the element at `root` sink until both its children are smaller. */
static void sink(size_t root, size_t count, fst__sort_less less, fst__sort_swap swap, void *context)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= count)
            return;
        if (child + 1 < count && less(context, child, child + 1))
            ++child;
        if (!less(context, root, child))
            return;
        swap(context, root, child);
        root = child;
    }
}

void fst__sort(size_t count, fst__sort_less less, fst__sort_swap swap, void *context)
{
    for (size_t i = count / 2; i-- > 0;)
        sink(i, count, less, swap, context);
    for (size_t last = count; last-- > 1;) {
        swap(context, 0, last);
        sink(0, last, less, swap, context);
    }
}
