#include "stages/entities/entities.h"

#include "api/check.h"
#include "base/options.h"

#include <inttypes.h>

fst_status fst_entities_create(fst_context *context, const char *const *tags, int64_t tag_count,
                               int32_t strict, int32_t scheme, fst_entities **entities)
{
    static const char function[] = "fst_entities_create";
    fst_status status = fst__check_pointer(context, function, "context");
    if (!status)
        status = fst__check_pointer(tags, function, "tags");
    if (!status)
        status = fst__check_pointer(entities, function, "entities");
    if (!status && strict != 0 && strict != 1)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: strict is %d, expected 0 or 1", function,
                           (int)strict);
    return status ? status
                  : fst__entities_create(context, tags, tag_count, strict, scheme, entities);
}

void fst_entities_destroy(fst_entities *entities)
{
    fst__entities_destroy(entities);
}

fst_status fst_entities_add(fst_entities *entities, const int32_t *labels,
                            const int32_t *predictions, const int64_t *offsets, int64_t sequences)
{
    static const char function[] = "fst_entities_add";
    fst_status status = fst__check_pointer(entities, function, "entities");
    if (!status)
        status = fst__check_pointer(labels, function, "labels");
    if (!status)
        status = fst__check_pointer(predictions, function, "predictions");
    if (!status)
        status = fst__check_pointer(offsets, function, "offsets");
    if (!status && sequences < 1)
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "%s: sequences is %" PRId64 ", expected at least 1", function, sequences);
    return status ? status
                  : fst__entities_add(entities, labels, predictions, offsets, sequences);
}

fst_status fst_entities_clear(fst_entities *entities)
{
    fst_status status = fst__check_pointer(entities, "fst_entities_clear", "entities");
    if (!status)
        fst__entities_clear(entities);
    return status;
}

fst_status fst_entities_get_metrics(const fst_entities *entities, fst_entity_metrics *metrics,
                                    size_t size)
{
    static const char function[] = "fst_entities_get_metrics";
    fst_entity_metrics found;
    fst_status status = fst__check_pointer(entities, function, "entities");
    if (!status)
        status = fst__options_check(metrics, size, "fst_entity_metrics");
    if (status)
        return status;
    fst__entities_metrics(entities, &found);
    return fst__options_init(metrics, size, &found, sizeof found, "fst_entity_metrics");
}

fst_status fst_entities_get_type_count(const fst_entities *entities, int64_t *count)
{
    fst_status status = fst__check_pointer(entities, "fst_entities_get_type_count", "entities");
    if (!status)
        status = fst__check_pointer(count, "fst_entities_get_type_count", "count");
    if (!status)
        *count = entities->type_count;
    return status;
}

fst_status fst_entities_get_type(const fst_entities *entities, int64_t index, fst_entity_type *type,
                                 size_t size)
{
    static const char function[] = "fst_entities_get_type";
    fst_entity_type found;
    fst_status status = fst__check_pointer(entities, function, "entities");
    if (!status)
        status = fst__options_check(type, size, "fst_entity_type");
    if (!status && (index < 0 || index >= entities->type_count))
        status = fst__fail(FST_ERR_INVALID_ARGUMENT,
                           "%s: index is %" PRId64 ", there are %" PRId64 " types", function, index,
                           entities->type_count);
    if (status)
        return status;
    fst__entities_type(entities, index, &found);
    return fst__options_init(type, size, &found, sizeof found, "fst_entity_type");
}

static fst_status check_find(const fst_entities *entities, const int32_t *tags, int64_t tokens,
                             int64_t capacity, const void *types, const void *begins,
                             const void *ends)
{
    static const char function[] = "fst_entities_find";
    if (tokens < 1 || capacity < 0)
        return fst__fail(FST_ERR_INVALID_ARGUMENT,
                         "%s: tokens is %" PRId64 ", capacity %" PRId64 ", expected at least 1 and 0",
                         function, tokens, capacity);
    if (capacity > 0 && (!types || !begins || !ends))
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "%s: %s is NULL", function,
                         !types ? "types" : !begins ? "begins" : "ends");
    for (int64_t i = 0; i < tokens; ++i) {
        if (tags[i] < 0 || tags[i] >= entities->tag_count)
            return fst__fail(FST_ERR_INVALID_ARGUMENT,
                             "%s: tags[%" PRId64 "] is %d, there are %" PRId64 " tags", function, i,
                             (int)tags[i], entities->tag_count);
    }
    return FST_OK;
}

fst_status fst_entities_find(const fst_entities *entities, const int32_t *tags, int64_t tokens,
                             int32_t *types, int64_t *begins, int64_t *ends, int64_t capacity,
                             int64_t *count)
{
    static const char function[] = "fst_entities_find";
    fst_status status = fst__check_pointer(entities, function, "entities");
    if (!status)
        status = fst__check_pointer(tags, function, "tags");
    if (!status)
        status = fst__check_pointer(count, function, "count");
    if (!status)
        status = check_find(entities, tags, tokens, capacity, types, begins, ends);
    if (status)
        return status;
    fst__entity_reader reader = fst__entity_reader_open(entities, tags, tokens);
    fst__entity entity;
    for (*count = 0; fst__entity_reader_next(&reader, &entity); ++*count) {
        if (*count >= capacity)
            continue;
        types[*count] = entity.type;
        begins[*count] = entity.begin;
        ends[*count] = entity.end;
    }
    return *count <= capacity ? FST_OK
                              : fst__fail(FST_ERR_BUFFER_TOO_SMALL,
                                          "%s: capacity is %" PRId64 ", there are %" PRId64 " entities",
                                          function, capacity, *count);
}
