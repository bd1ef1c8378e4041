/* Running statistics move with every training forward; a forward that is only looked at takes them
 * along unless they are put back. */
#include "stages/contrastive/contrastive.h"

#include <string.h>

static bool is_buffer(const fst__parameter *p)
{
    return p->flags & FST__PARAMETER_BUFFER;
}

bool fst__has_batch_norm(const fst_model *model)
{
    bool found = false;
    for (int64_t i = 0; i < model->parameters.count; ++i)
        found |= is_buffer(&model->parameters.items[i]);
    return found;
}

fst_status fst__kept_buffers_open(fst__kept_buffers *kept, const fst_model *model)
{
    for (int64_t i = 0; i < model->parameters.count; ++i) {
        if (is_buffer(&model->parameters.items[i]))
            kept->count += fst__parameter_size(&model->parameters.items[i]);
    }
    if (kept->count == 0)
        return FST_OK;
    kept->data = fst__alloc_array(&model->context->allocator, (size_t)kept->count,
                                  sizeof *kept->data);
    return kept->data ? FST_OK : FST_ERR_NO_MEMORY;
}

void fst__kept_buffers_take(fst__kept_buffers *kept, const fst_model *model)
{
    fst__real *next = kept->data;
    for (int64_t i = 0; next && i < model->parameters.count; ++i) {
        const fst__parameter *p = &model->parameters.items[i];
        if (!is_buffer(p))
            continue;
        memcpy(next, p->value, (size_t)fst__parameter_size(p) * sizeof *next);
        next += fst__parameter_size(p);
    }
}

void fst__kept_buffers_put_back(const fst__kept_buffers *kept, fst_model *model)
{
    const fst__real *next = kept->data;
    for (int64_t i = 0; next && i < model->parameters.count; ++i) {
        const fst__parameter *p = &model->parameters.items[i];
        if (!is_buffer(p))
            continue;
        memcpy(p->value, next, (size_t)fst__parameter_size(p) * sizeof *next);
        next += fst__parameter_size(p);
    }
}
