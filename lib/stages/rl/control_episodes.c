/* Episodes: their returns for the metrics, and the rewards as they are learned from. */
#include "stages/rl/control.h"

#include <math.h>
#include <string.h>

static const double EPSILON = 1e-8; /* as VecNormalize's */

void fst__episodes_forget(fst__play *play)
{
    size_t bytes = (size_t)play->games.count * sizeof(double);
    memset(play->episodes.returns, 0, bytes);
    memset(play->episodes.lengths, 0, bytes);
    memset(play->episodes.discounted, 0, bytes);
}

/* Chan, Golub and LeVeque's update with the N values of one step; the variance is that of a population. */
static void add_to_statistics(fst__return_statistics *s, const double *values, int64_t count)
{
    double n = (double)count, mean = 0, variance = 0;
    for (int64_t i = 0; i < count; ++i)
        mean += values[i] / n;
    for (int64_t i = 0; i < count; ++i)
        variance += (values[i] - mean) * (values[i] - mean) / n;
    double delta = mean - s->mean, total = s->count + n;
    double squares = s->variance * s->count + variance * n + delta * delta * s->count * n / total;
    s->mean += delta * n / total;
    s->variance = squares / total;
    s->count = total;
}

/* stable_baselines3/common/vec_env/vec_normalize.py: the discounted sum runs forward in time. */
static void normalise(fst__play *play, const fst__outcomes *o, fst__real *rewards)
{
    fst__episodes *e = &play->episodes;
    int64_t count = play->games.count;
    for (int64_t n = 0; n < count; ++n)
        e->discounted[n] = play->options.gamma * e->discounted[n] + o->rewards[n];
    add_to_statistics(&e->statistics, e->discounted, count);
    double deviation = sqrt(e->statistics.variance + EPSILON), most = play->options.reward_clip;
    for (int64_t n = 0; n < count; ++n)
        rewards[n] = (fst__real)fmin(fmax(o->rewards[n] / deviation, -most), most);
}

static void close_episode(fst__episodes *e, int64_t n)
{
    int64_t place = e->count % FST__PLAY_RECENT;
    e->recent[place] = e->returns[n];
    e->recent[FST__PLAY_RECENT + place] = e->lengths[n];
    e->count += 1;
    e->returns[n] = e->lengths[n] = e->discounted[n] = 0;
}

void fst__episodes_count(fst__play *play, const fst__outcomes *o, fst__real *rewards)
{
    fst__episodes *e = &play->episodes;
    if (play->options.normalize_rewards)
        normalise(play, o, rewards);
    for (int64_t n = 0; n < play->games.count; ++n) {
        if (!play->options.normalize_rewards)
            rewards[n] = (fst__real)o->rewards[n];
        e->returns[n] += o->rewards[n];
        e->lengths[n] += 1;
        if ((o->terminated && o->terminated[n]) || (o->truncated && o->truncated[n]))
            close_episode(e, n);
    }
}

void fst__episodes_metrics(const fst__play *play, double *m)
{
    const fst__episodes *e = &play->episodes;
    int64_t count = e->count < FST__PLAY_RECENT ? e->count : FST__PLAY_RECENT;
    double sum = 0, lengths = 0, wins = 0;
    for (int64_t i = 0; i < count; ++i) {
        sum += e->recent[i];
        lengths += e->recent[FST__PLAY_RECENT + i];
        wins += e->recent[i] > 0;
    }
    double n = count > 0 ? (double)count : NAN;
    m[FST__PLAY_RETURN] = sum / n;
    m[FST__PLAY_LENGTH] = lengths / n;
    m[FST__PLAY_WIN_SHARE] = play->games.two ? wins / n : NAN;
    m[FST__PLAY_EPISODES] = (double)e->count;
}
