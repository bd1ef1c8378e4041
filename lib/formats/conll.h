/*
 * Words with tags, a line each, as CoNLL's shared tasks have them: columns between tabs or between
 * stretches of spaces, a blank line behind a sentence. Lines with "-DOCSTART-" end a sentence and are
 * passed over, as are, where they are asked for, comments ("#") and CoNLL-U's multiword tokens ("1-2")
 * and empty nodes ("1.1"). All lines of a file have the same number of columns. NUL and bad UTF-8 are
 * refused.
 */
#ifndef FST_FORMATS_CONLL_H
#define FST_FORMATS_CONLL_H

#include "formats/lines.h"

enum { FST__CONLL_AUTO, FST__CONLL_TAB, FST__CONLL_SPACES };
enum { FST__CONLL_COLUMNS = 256 }; /* most that a line has */

typedef struct fst__conll_options {
    int32_t separator;  /* FST__CONLL_; AUTO: tabs in a line that has one */
    int64_t word, tag;  /* columns from 0; negative: from the end, −1 the last */
    bool has_tags;      /* false: the tag's column is not read */
    bool has_ids;
    int64_t id;         /* column of CoNLL-U's ids */
    bool comments;      /* lines that begin with "#" are no words */
    bool latin1;
} fst__conll_options;

typedef enum fst__conll_kind {
    FST__CONLL_WORD,
    FST__CONLL_SENTENCE, /* ends; also at the end of the file, never without a word */
    FST__CONLL_END,
} fst__conll_kind;

typedef struct fst__conll_event {
    fst__conll_kind kind;
    int64_t line;            /* from 1; of a sentence: that of its last word */
    const char *word, *tag;  /* borrowed until the next call, not ended by NUL; tag NULL: none */
    size_t word_length, tag_length;
} fst__conll_event;

typedef struct fst__conll fst__conll;

fst_status fst__conll_open(fst__allocator *allocator, const char *path,
                           const fst__conll_options *options, fst__conll **out);
void fst__conll_close(fst__conll *conll); /* takes NULL */
/* Errors name the file and the line. */
fst_status fst__conll_next(fst__conll *conll, fst__conll_event *event);

#endif
