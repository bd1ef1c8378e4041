/* The built-in environments. */
#ifndef FST_ENV_KINDS_H
#define FST_ENV_KINDS_H

#include "env/kind.h"

int64_t fst__env_kind_count(void);
const fst__env_kind *fst__env_kind_at(int64_t index);
const fst__env_kind *fst__env_kind_find(const char *name); /* NULL: none */

extern const fst__env_kind fst__env_cartpole_v0, fst__env_cartpole_v1;
extern const fst__env_kind fst__env_acrobot;
extern const fst__env_kind fst__env_mountain_car;
extern const fst__env_kind fst__env_mountain_car_continuous;
extern const fst__env_kind fst__env_pendulum;
extern const fst__env_kind fst__env_frozen_lake, fst__env_frozen_lake_8x8;
extern const fst__env_kind fst__env_grid_empty_5x5;
extern const fst__env_kind fst__env_door_key_5x5, fst__env_door_key_6x6, fst__env_door_key_8x8;
extern const fst__env_kind fst__env_four_rooms;
extern const fst__env_kind fst__env_robot;
extern const fst__env_kind fst__env_connect_four;

#endif
