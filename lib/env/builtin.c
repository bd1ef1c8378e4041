#include "env/kinds.h"

#include <string.h>

static const fst__env_kind *const kinds[] = {
    &fst__env_cartpole_v0,
    &fst__env_cartpole_v1,
    &fst__env_acrobot,
    &fst__env_mountain_car,
    &fst__env_mountain_car_continuous,
    &fst__env_pendulum,
    &fst__env_frozen_lake,
    &fst__env_frozen_lake_8x8,
    &fst__env_grid_empty_5x5,
    &fst__env_door_key_5x5,
    &fst__env_door_key_6x6,
    &fst__env_door_key_8x8,
    &fst__env_four_rooms,
    &fst__env_robot,
    &fst__env_connect_four,
};

int64_t fst__env_kind_count(void)
{
    return (int64_t)(sizeof kinds / sizeof *kinds);
}

const fst__env_kind *fst__env_kind_at(int64_t index)
{
    return kinds[index];
}

const fst__env_kind *fst__env_kind_find(const char *name)
{
    for (int64_t i = 0; i < fst__env_kind_count(); ++i)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}
