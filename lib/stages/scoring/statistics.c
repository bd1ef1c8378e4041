#include "stages/scoring/statistics.h"

#include <math.h>

void fst__statistics_add(fst__statistics *statistics, const float *values, int64_t count)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count; ++i)
        sum += (double)values[i];
    double mean = sum / (double)count;
    for (int64_t i = 0; i < count; ++i)
        squares += ((double)values[i] - mean) * ((double)values[i] - mean);
    double before = (double)statistics->count, more = (double)count, all = before + more;
    double delta = mean - statistics->mean;
    statistics->squares += squares + delta * delta * before * more / all;
    statistics->mean += delta * more / all;
    statistics->count += count;
}

double fst__statistics_deviation(const fst__statistics *statistics)
{
    if (statistics->count < 1 || !(statistics->squares > 0))
        return 1;
    return sqrt(statistics->squares / (double)statistics->count);
}
