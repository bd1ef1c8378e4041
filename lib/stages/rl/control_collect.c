/*
 * Steps of the environments: observations arrive, actions are chosen, what became of them is recorded. A host
 * that owns its loop makes the same three calls as the run that has an environment.
 */
#include "stages/rl/control.h"

#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { SLICE = 64 }; /* steps of environments in a piece */

int64_t fst__play_slice(const fst__play *play)
{
    int64_t steps = SLICE / play->games.count;
    return steps > 0 ? steps : 1;
}

/* ---- slots and windows */

static bool is_full(const fst__play *play)
{
    return play->recorded == play->options.steps;
}

static size_t slot_bytes(const fst__play *play)
{
    return (size_t)play->games.count * play->row_bytes;
}

/* `window` slots, of which the last is the present one. */
static unsigned char *present_rows(const fst__play *play)
{
    const fst__experience *x = &play->experience;
    return is_full(play) ? x->tail : x->rows + (size_t)play->recorded * slot_bytes(play);
}

static int32_t *present_ages(const fst__play *play)
{
    const fst__experience *x = &play->experience;
    return is_full(play) ? x->tail_ages : x->ages + play->recorded * play->games.count;
}

/* From slots [window, N] to one environment's window, oldest row first. */
static void take_window(const fst__play *play, const unsigned char *rows, const int32_t *ages, int64_t n,
                        unsigned char *out, int32_t *length)
{
    size_t row = play->row_bytes;
    int64_t last = play->window - 1, count = play->games.count;
    int32_t age = play->window > 1 ? ages[last * count + n] : 1;
    for (int32_t i = 0; i < age; ++i)
        memcpy(out + (size_t)i * row,
               rows + (size_t)((last - age + 1 + i) * count + n) * row, row);
    if (length)
        *length = age;
}

void fst__play_window(const fst__play *play, int64_t step, unsigned char *rows, int32_t *length)
{
    int64_t count = play->games.count, slot = step / count;
    take_window(play, play->experience.rows + (size_t)slot * slot_bytes(play),
                play->experience.ages + slot * count, step % count, rows, length);
}

const void *fst__play_present(fst__play *play, const int32_t **lengths)
{
    const unsigned char *rows = present_rows(play);
    *lengths = NULL;
    if (play->window == 1)
        return rows;
    size_t bytes = (size_t)play->window * play->row_bytes;
    for (int64_t n = 0; n < play->games.count; ++n)
        take_window(play, rows, present_ages(play), n, play->windows + (size_t)n * bytes,
                    &play->window_lengths[n]);
    *lengths = play->window_lengths;
    return play->windows;
}

/* The slots move up by one: the oldest goes. */
static void shift(fst__play *play)
{
    size_t others = (size_t)(play->window - 1), count = (size_t)play->games.count;
    unsigned char *rows = present_rows(play);
    int32_t *ages = present_ages(play);
    memmove(rows, rows + slot_bytes(play), others * slot_bytes(play));
    memmove(ages, ages + count, others * count * sizeof *ages);
}

void fst__play_rewind(fst__play *play)
{
    fst__experience *x = &play->experience;
    size_t window = (size_t)play->window, count = (size_t)play->games.count;
    memmove(x->rows, present_rows(play), window * slot_bytes(play));
    memmove(x->ages, present_ages(play), window * count * sizeof *x->ages);
    play->recorded = play->estimated = play->pieces = play->masked = 0;
    play->sums = (fst__update_sums){0};
}

/* The last slots, for what arrives while they are learned from. */
static void keep_tail(fst__play *play)
{
    fst__experience *x = &play->experience;
    size_t first = (size_t)play->options.steps - 1, window = (size_t)play->window;
    size_t count = (size_t)play->games.count;
    memcpy(x->tail, x->rows + first * slot_bytes(play), window * slot_bytes(play));
    memcpy(x->tail_ages, x->ages + first * count, window * count * sizeof *x->ages);
    play->filled = 1;
}

/* ---- observations arrive */

fst_status fst__play_arrive(fst__play *play, const void *observations, bool count_in)
{
    int64_t count = play->games.count, last = play->window - 1;
    fst_status status = FST_OK;
    if (count_in)
        status = fst__control_update_normalizer(play->policy, observations, count);
    if (status)
        return fst__fail_in(status, "observations");
    if (play->filled)
        shift(play);
    play->filled = 0;
    unsigned char *rows = present_rows(play);
    int32_t *ages = present_ages(play);
    status = fst__control_encode(play->policy, observations, count, rows + (size_t)last * slot_bytes(play));
    if (status)
        return fst__fail_in(status, "observations");
    for (int64_t n = 0; n < count; ++n) {
        int32_t before = last > 0 && !play->fresh[n] ? ages[(last - 1) * count + n] : 0;
        ages[last * count + n] = before < play->window ? before + 1 : before;
        play->fresh[n] = 0;
    }
    play->arrived = play->filled = 1;
    return FST_OK;
}

/* ---- actions are chosen */

/* Masks of a step beside its actions; NULL after others: all is allowed. */
static void keep_masks(fst__play *play, const uint8_t *masks)
{
    size_t row = (size_t)(play->games.count * play->choices);
    uint8_t *all = play->experience.masks, *at = all ? all + (size_t)play->recorded * row : NULL;
    if (!all)
        return;
    if (masks && !play->masked) {
        memset(all, 1, (size_t)play->recorded * row);
        play->masked = 1;
    }
    if (masks)
        memcpy(at, masks, row);
    else if (play->masked)
        memset(at, 1, row);
}

fst_status fst__play_choose(fst_run *run, const uint8_t *masks, void *actions)
{
    fst__play *play = fst__play_of(run);
    int64_t count = play->games.count, at = play->recorded * count;
    bool recording = !is_full(play) && !fst__run_finished(run);
    size_t bytes = (size_t)count * play->action_bytes;
    unsigned char *chosen =
        recording ? play->experience.actions + (size_t)at * play->action_bytes : play->unrecorded;
    const fst__distribution_draw draw = {.seed = play->context->seed,
                                         .step = (uint64_t)play->games.draws};
    const int32_t *lengths;
    const void *rows = fst__play_present(play, &lengths);
    fst_status status = fst__control_act(
        play->policy, rows, lengths, masks, count, &draw, chosen,
        recording ? play->rollout.log_probabilities + at : NULL, recording ? play->rollout.values + at : NULL);
    if (status)
        return status;
    if (recording)
        keep_masks(play, masks);
    if (actions)
        memcpy(actions, chosen, bytes);
    play->recording = recording;
    play->acted = true;
    return FST_OK;
}

/* ---- what became of them */

static fst_status check_outcomes(const fst__play *play, const fst__outcomes *o)
{
    for (int64_t n = 0; n < play->games.count; ++n) {
        int64_t step = (int64_t)play->episodes.lengths[n] + 1;
        if (!isfinite((fst__real)o->rewards[n]))
            return fst__fail(FST_ERR_NUMERIC, "environment %" PRId64 ", step %" PRId64 ": reward is %g", n,
                             step, o->rewards[n]);
        if ((o->terminated && o->terminated[n] > 1) || (o->truncated && o->truncated[n] > 1))
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "environment %" PRId64 ", step %" PRId64
                                                       ": terminated and truncated are 0 or 1",
                             n, step);
        if (o->truncated && o->truncated[n] && !o->finals)
            return fst__fail(FST_ERR_INVALID_ARGUMENT, "environment %" PRId64 ", step %" PRId64
                                                       " was truncated and final_observations is NULL",
                             n, step);
    }
    return FST_OK;
}

/* The window that the present one becomes with the episode's last observation behind it. */
static fst_status take_final_window(fst__play *play, const fst__outcomes *o, int64_t n, int64_t at)
{
    size_t row = play->row_bytes;
    unsigned char *rows = play->windows + (size_t)at * (size_t)play->window * row;
    int32_t age = 0;
    if (play->window > 1) {
        take_window(play, present_rows(play), present_ages(play), n, rows, &age);
        if (age == play->window)
            memmove(rows, rows + row, (size_t)--age * row);
    }
    play->window_lengths[at] = age + 1;
    fst_status status = fst__control_encode(play->policy, o->finals + (size_t)n * play->observation_bytes, 1,
                                            rows + (size_t)age * row);
    return status ? fst__fail_in(status, "environment %" PRId64 ": final observation", n) : FST_OK;
}

/* Values of the last observations of the episodes that were cut short, into values [N]. */
static fst_status value_finals(fst__play *play, const fst__outcomes *o, fst__real *values)
{
    int64_t count = play->games.count, found = 0;
    fst_status status = FST_OK;
    for (int64_t n = 0; n < count && !status; ++n) {
        values[n] = 0;
        if (o->truncated && o->truncated[n] && !(o->terminated && o->terminated[n]))
            status = take_final_window(play, o, n, found++);
    }
    fst__real *found_values = play->experience.final_values; /* not in use before the last step */
    if (status || found == 0)
        return status;
    status = fst__control_act(play->policy, play->windows, play->window > 1 ? play->window_lengths : NULL,
                              NULL, found, NULL, NULL, NULL, found_values);
    for (int64_t n = count - 1; n >= 0 && !status; --n) {
        if (o->truncated[n] && !(o->terminated && o->terminated[n]))
            values[n] = (fst__real)((o->final_signs ? o->final_signs[n] : 1) * (double)found_values[--found]);
    }
    return status;
}

fst_status fst__play_record(fst_run *run, const fst__outcomes *o)
{
    fst__play *play = fst__play_of(run);
    fst__experience *x = &play->experience;
    int64_t count = play->games.count, at = play->recorded * count;
    fst_status status = check_outcomes(play, o);
    if (!status && play->recording)
        status = value_finals(play, o, x->truncation_values + at);
    if (status)
        return status;
    for (int64_t n = 0; n < count; ++n) {
        uint8_t ended = o->terminated ? o->terminated[n] : 0, cut = o->truncated ? o->truncated[n] : 0;
        play->fresh[n] = ended | cut;
        if (!play->recording)
            continue;
        x->terminated[at + n] = ended;
        x->truncated[at + n] = cut & !ended;
    }
    fst__episodes_count(play, o, play->recording ? play->rollout.rewards + at : x->final_values);
    play->games.draws += 1;
    play->arrived = 0;
    play->acted = false;
    if (!play->recording)
        return FST_OK;
    run->tokens += count;
    play->recorded += 1;
    play->filled = 0;
    if (is_full(play))
        keep_tail(play);
    return FST_OK;
}

/* ---- a slice of an iteration */

/* Episodes that were going on are gone: what was gathered of them ends as if it were cut short. */
static fst_status cut_off(fst__play *play)
{
    fst__experience *x = &play->experience;
    int64_t count = play->games.count, at = (play->recorded - 1) * count;
    if (play->recorded == 0)
        return FST_OK;
    const fst__real *values = play->rollout.values + at;
    if (play->arrived) {
        const int32_t *lengths;
        const void *rows = fst__play_present(play, &lengths);
        fst_status status = fst__control_act(play->policy, rows, lengths, NULL, count, NULL, NULL, NULL,
                                             x->final_values);
        if (status)
            return status;
        values = x->final_values;
    }
    for (int64_t n = 0; n < count; ++n) {
        if (x->terminated[at + n] || x->truncated[at + n])
            continue;
        x->truncated[at + n] = 1;
        x->truncation_values[at + n] = values[n];
    }
    return FST_OK;
}

static fst_status begin_episodes(fst__play *play)
{
    fst__games *g = &play->games;
    fst_status status = fst__games_begin(play, g);
    g->restarts += 1;
    if (!status)
        status = cut_off(play);
    if (status)
        return status;
    fst__episodes_forget(play);
    memset(play->fresh, 1, (size_t)g->count);
    play->arrived = 0;
    if (!is_full(play))
        play->filled = 0;
    g->lost = 0;
    return FST_OK;
}

static fst_status take_step(fst_run *run)
{
    fst__play *play = fst__play_of(run);
    fst__games *g = &play->games;
    fst_status status = g->lost ? begin_episodes(play) : FST_OK;
    if (!status && !play->arrived)
        status = fst__play_arrive(play, g->batch.observations, true);
    if (!status)
        status = fst__play_choose(run, g->batch.masks, NULL);
    if (status)
        return status;
    double begin = fst__update_now();
    status = fst__games_step(play, g,
                             play->experience.actions +
                                 (size_t)(play->recorded * g->count) * play->action_bytes);
    play->seconds.environment += fst__update_now() - begin;
    if (status == FST_STOPPED && !g->two)
        return status; /* the step has not taken place */
    if (!status)
        status = fst__play_record(run, &g->out);
    if (!status)
        status = fst__play_arrive(play, g->batch.observations, true);
    if (!status)
        return FST_OK;
    g->lost = 1;
    return status < 0 ? fst__fail_in(status, "the episodes in progress are lost, the steps before are kept")
                      : status;
}

fst_status fst__play_collect(fst_run *run)
{
    fst__play *play = fst__play_of(run);
    int64_t slice = fst__play_slice(play);
    double begin = fst__update_now();
    fst_status status = FST_OK;
    if (play->recorded == 0)
        play->seconds = (fst__play_seconds){0};
    while (!status && !is_full(play)) {
        status = take_step(run);
        if (!status && play->recorded % slice == 0)
            break;
        if (!status && fst__run_cancelled(run))
            status = FST_STOPPED;
    }
    play->seconds.rollout += fst__update_now() - begin;
    return status;
}
