/* Views of a chunk's examples through the model, and their places in the batch. */
#include "stages/contrastive/contrastive.h"

#include <string.h>

int64_t fst__chunk_examples(const fst__contrastive *c, int64_t rows, int64_t chunk)
{
    int64_t left = rows - chunk * c->options.chunk;
    return left < c->options.chunk ? left : c->options.chunk;
}

fst_status fst__chunk_forward(fst__contrastive *c, const fst__chunk_pass *pass, int64_t *tokens)
{
    fst_model *model = c->steps.training.model;
    int64_t n = fst__chunk_examples(c, pass->rows, pass->chunk), rows = n * c->views;
    for (int64_t r = 0; r < rows; ++r) {
        c->batch.examples[r] = pass->indices[pass->chunk * c->options.chunk + r / c->views];
        c->batch.sequences[r] = c->options.views == FST_VIEWS_PAIRS ? r % c->views : 0;
    }
    const fst__embed_pass through = {
        .dataset = pass->dataset,
        .training = pass->training,
        .step = pass->step,
        .draw = pass->draw + pass->chunk * c->options.chunk * c->views,
    };
    fst_status status = fst__embed_batch_forward(&c->batch, model, rows, &through, tokens);
    return status ? status : fst__embedding_read(&c->embedding, rows, c->rows);
}

/* Where row r of a chunk stands in [V, rows, D]. */
static int64_t place_of(const fst__contrastive *c, const fst__chunk_pass *pass, int64_t r)
{
    int64_t example = pass->chunk * c->options.chunk + r / c->views;
    return (r % c->views * pass->rows + example) * c->embedding.width;
}

static int64_t rows_of(const fst__contrastive *c, const fst__chunk_pass *pass)
{
    return fst__chunk_examples(c, pass->rows, pass->chunk) * c->views;
}

void fst__chunk_put(const fst__contrastive *c, const fst__chunk_pass *pass, fst__real *z)
{
    size_t size = (size_t)c->embedding.width * sizeof *z;
    for (int64_t r = 0; r < rows_of(c, pass); ++r)
        memcpy(z + place_of(c, pass, r), c->rows + r * c->embedding.width, size);
}

void fst__chunk_take(const fst__contrastive *c, const fst__chunk_pass *pass, const fst__real *z)
{
    size_t size = (size_t)c->embedding.width * sizeof *z;
    for (int64_t r = 0; r < rows_of(c, pass); ++r)
        memcpy(c->rows + r * c->embedding.width, z + place_of(c, pass, r), size);
}

bool fst__chunk_same(const fst__contrastive *c, const fst__chunk_pass *pass, const fst__real *z)
{
    size_t size = (size_t)c->embedding.width * sizeof *z;
    bool same = true;
    for (int64_t r = 0; r < rows_of(c, pass); ++r)
        same &= memcmp(c->rows + r * c->embedding.width, z + place_of(c, pass, r), size) == 0;
    return same;
}

fst_status fst__contrastive_objective(fst__contrastive *c, int64_t rows, bool gradient,
                                      fst_contrastive_loss *found)
{
    const fst__compute *compute = c->context->compute;
    int64_t width = c->embedding.width, second = rows * width;
    fst__real *dz = gradient ? c->dz : NULL, *second_dz = gradient ? c->dz + second : NULL;
    fst__arena scratch = fst__arena_over(c->scratch, c->scratch_size);
    if (c->options.objective == FST_CONTRASTIVE_NTXENT)
        return fst__loss_ntxent(compute, &c->loss, c->z, c->z + second, rows, width, dz, second_dz,
                                &scratch, found);
    return fst__loss_infonce(compute, &c->loss, c->z, c->z + second, rows, (c->views - 1) * rows,
                             width, dz, second_dz, &scratch, found);
}
