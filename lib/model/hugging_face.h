/* Hugging Face's names and layouts for our weights, and its config.json for our config. */
#ifndef FST_MODEL_HUGGING_FACE_H
#define FST_MODEL_HUGGING_FACE_H

#include "formats/json.h"
#include "model/model.h"

enum { FST__PIECE_NAME_SIZE = 96 };

/* A tensor of the file: some rows of one of our parameters, or what a parameter we lack would be. */
typedef struct fst__piece {
    char name[FST__PIECE_NAME_SIZE];
    fst__parameter *parameter; /* NULL: one that is zero here but that the class always has */
    int64_t first_row, rows;   /* of the parameter; a vector counts its elements as rows */
    int64_t columns;           /* 1 for a vector */
    int32_t rank;
    int64_t shape[4]; /* in the file, of rank 3 or 4 */
    int64_t places;   /* > 0: a row is [places, channels] here and [channels, places] in the file */
    bool transposed; /* the file holds [columns, rows]: GPT-2's Conv1D */
    bool aside;      /* no tensor of the class: in heads.safetensors, by the parameter's name */
} fst__piece;

/* Most pieces a model of that many layers has. */
int64_t fst__piece_limit(const fst_model_config *config);
/* Fills `pieces` in the model's order and returns their number. */
int64_t fst__list_pieces(const fst_model *model, fst__piece *pieces);
/* "transformer.", "model.", "bert.": what base-model files leave out. */
const char *fst__piece_prefix(int32_t family);

/* `file` names the file in errors. */
fst_status fst__config_from_json(const json_t *root, const char *file, fst_model_config *config);
/* New reference; FST_ERR_UNSUPPORTED names a switch that the family's class cannot have. */
fst_status fst__config_to_json(const fst_model *model, json_t **root);

#endif
