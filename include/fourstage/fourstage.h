/*
 * libfourstage: pretraining, supervised finetuning, reward modelling and reinforcement learning
 * inside the caller's process. This header includes all others.
 */
#ifndef FOURSTAGE_FOURSTAGE_H
#define FOURSTAGE_FOURSTAGE_H

#include "fourstage/actions.h"
#include "fourstage/adapter.h"
#include "fourstage/batch.h"
#include "fourstage/chat.h"
#include "fourstage/context.h"
#include "fourstage/contrastive.h"
#include "fourstage/control.h"
#include "fourstage/control_policy.h"
#include "fourstage/dataset.h"
#include "fourstage/dpo.h"
#include "fourstage/embed.h"
#include "fourstage/entities.h"
#include "fourstage/env.h"
#include "fourstage/examples.h"
#include "fourstage/images.h"
#include "fourstage/masking.h"
#include "fourstage/metrics.h"
#include "fourstage/model.h"
#include "fourstage/objectives.h"
#include "fourstage/optimizer.h"
#include "fourstage/policy.h"
#include "fourstage/pretrain.h"
#include "fourstage/reward.h"
#include "fourstage/rl.h"
#include "fourstage/run.h"
#include "fourstage/sft.h"
#include "fourstage/space.h"
#include "fourstage/status.h"
#include "fourstage/tokenizer.h"
#include "fourstage/types.h"
#include "fourstage/view.h"
#include "fourstage/words.h"

#endif
