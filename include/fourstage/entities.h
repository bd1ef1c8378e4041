/*
 * Entities in sequences of tags ("B-PER", "I-PER", "O", …), and how well they were found: precision,
 * recall and F1, of each type and of all.
 *
 * An entity counts as found where a predicted one has the same type, begin and end. Two ways of reading
 * entities off tags, of which the figures are those of the Python package seqeval 1.2.2 (Nakayama, 2018;
 * github.com/chakki-works/seqeval): leniently, as the script conlleval of CoNLL-2000 does, by which an
 * "I-PER" behind an "O" begins an entity; and strictly, by which only what is written as the scheme
 * demands is an entity (mode="strict").
 *
 * Threads: one handle from one thread at a time; functions that take it const may run together.
 */
#ifndef FOURSTAGE_ENTITIES_H
#define FOURSTAGE_ENTITIES_H

#include "fourstage/context.h"
#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_TAGS_AUTO 0  /**< IOB2, IOE2, IOBES or BILOU, by the prefixes that the tags have. @since 0.1 */
#define FST_TAGS_IOB1 1  /**< B only where an entity follows one of its type. @since 0.1 */
#define FST_TAGS_IOB2 2  /**< each entity begins with B ("BIO"). @since 0.1 */
#define FST_TAGS_IOE1 3  /**< E only where an entity is followed by one of its type. @since 0.1 */
#define FST_TAGS_IOE2 4  /**< each entity ends with E. @since 0.1 */
#define FST_TAGS_IOBES 5 /**< begin, inside, end; S: of one token. @since 0.1 */
#define FST_TAGS_BILOU 6 /**< the same with L for the last and U for one of one token. @since 0.1 */

/**
 * Makes a counter of entities. A tag is a letter, its prefix, and a type behind "-"; "O" is outside.
 *
 * @param context the context; kept alive by the counter.
 * @param tags [tag_count] names of the classes, in UTF-8, none empty; copied.
 * @param tag_count 1 … 65535.
 * @param strict 1: as the scheme demands; 0: as conlleval counts, for which the scheme is not read.
 * @param scheme FST_TAGS_ value.
 * @param entities out: the caller owns it.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT naming the tag, also for one that is not of the scheme, and
 *         for FST_TAGS_AUTO where the tags do not tell it (seqeval's auto_detect); FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_entities_create(fst_context *context, const char *const *tags,
                                       int64_t tag_count, int32_t strict, int32_t scheme,
                                       fst_entities **entities);

/** @param entities destroyed; NULL is allowed. @since 0.1 */
FST_API void fst_entities_destroy(fst_entities *entities);

/**
 * Counts some sequences more. An entity never goes from one sequence into the next.
 *
 * @param entities the counter.
 * @param labels [offsets[sequences]] the true class of each token; negative: the token is left out.
 * @param predictions [offsets[sequences]] the class it was taken for; negative: likewise.
 * @param offsets [sequences + 1] sequence i is tokens offsets[i] … offsets[i + 1] − 1; offsets[0] = 0,
 *        never falling.
 * @param sequences at least 1.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT, naming the token, with nothing counted; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_entities_add(fst_entities *entities, const int32_t *labels,
                                    const int32_t *predictions, const int64_t *offsets,
                                    int64_t sequences);

/** Forgets what was counted. @param entities the counter. @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_entities_clear(fst_entities *entities);

/** What was counted so far. A ratio whose denominator is 0 is 0. Macro and weighted means are over the
 *  types that occur among true or predicted entities; weights are the true entities. @since 0.1 */
typedef struct fst_entity_metrics {
    size_t struct_size;        /**< size the caller passed */
    int64_t sequences;         /**< sequences added */
    int64_t tokens;            /**< tokens of these that were not left out */
    int64_t right_tokens;      /**< of which the class was told */
    int64_t labelled;          /**< true entities */
    int64_t predicted;         /**< predicted entities */
    int64_t right;             /**< predicted entities that are true ones */
    double precision;          /**< right / predicted */
    double recall;             /**< right / labelled */
    double f1;                 /**< 2·precision·recall / (precision + recall) */
    double precision_macro;    /**< mean over types */
    double recall_macro;       /**< mean over types */
    double f1_macro;           /**< mean over types */
    double precision_weighted; /**< weighted mean over types */
    double recall_weighted;    /**< weighted mean over types */
    double f1_weighted;        /**< weighted mean over types */
} fst_entity_metrics;

/** @param entities the counter. @param metrics out. @param size sizeof *metrics.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_entities_get_metrics(const fst_entities *entities,
                                            fst_entity_metrics *metrics, size_t size);

/** How many types the tags have. @param entities the counter. @param count out.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_entities_get_type_count(const fst_entities *entities, int64_t *count);

/** The entities of one type. @since 0.1 */
typedef struct fst_entity_type {
    size_t struct_size; /**< size the caller passed */
    const char *name;   /**< borrowed while the counter lives; "_" where a tag has no type */
    int64_t labelled;   /**< true entities: the support */
    int64_t predicted;  /**< predicted entities */
    int64_t right;      /**< predicted entities that are true ones */
    double precision;   /**< right / predicted; 0 without any, as the next two */
    double recall;      /**< right / labelled */
    double f1;          /**< 2·precision·recall / (precision + recall) */
} fst_entity_type;

/**
 * @param entities the counter.
 * @param index 0 ≤ index < types; they are sorted by the bytes of their names.
 * @param type out. @param size sizeof *type.
 * @return FST_OK or FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_entities_get_type(const fst_entities *entities, int64_t index,
                                         fst_entity_type *type, size_t size);

/**
 * The entities of one sequence; nothing is counted.
 *
 * @param entities the counter, which knows tags and scheme.
 * @param tags [tokens] classes.
 * @param tokens at least 1.
 * @param types [capacity] out: each entity's type, in the order of the sequence; may be NULL where
 *        capacity is 0, as the next two.
 * @param begins [capacity] out: its first token.
 * @param ends [capacity] out: the token behind its last.
 * @param capacity entities that fit.
 * @param count out: how many there are.
 * @return FST_OK; FST_ERR_BUFFER_TOO_SMALL with count set; FST_ERR_INVALID_ARGUMENT naming the token.
 * @since 0.1
 */
FST_API fst_status fst_entities_find(const fst_entities *entities, const int32_t *tags,
                                     int64_t tokens, int32_t *types, int64_t *begins, int64_t *ends,
                                     int64_t capacity, int64_t *count);

#ifdef __cplusplus
}
#endif

#endif
