"""Optimizers against torch.optim and Muon's published code, schedules against transformers.

usage: parity_optim.py PROBE, the shared module built from optim_probe.c
"""
import ctypes
import math
import sys

try:
    import numpy as np
    import torch
    import transformers
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

DECAY, HIDDEN = 1, 2
SHAPES = [  # name, shape, flags
    ("embedding", (301, 48), DECAY),
    ("wide", (48, 200), DECAY | HIDDEN),
    ("tall", (144, 48), DECAY | HIDDEN),
    ("norm", (48,), 0),
    ("bias", (1,), 0),
]
STEPS = 5


class OptimizerOptions(ctypes.Structure):
    """fst_optimizer_options of fourstage/optimizer.h"""
    _fields_ = [("struct_size", ctypes.c_size_t), ("kind", ctypes.c_int32), ("schedule", ctypes.c_int32)]
    _fields_ += [(name, ctypes.c_double) for name in (
        "learning_rate", "beta1", "beta2", "epsilon", "weight_decay", "clip_norm", "momentum", "dampening")]
    _fields_ += [(name, ctypes.c_int32) for name in ("nesterov", "keep_gradients", "warmup", "muon_scale")]
    _fields_ += [(name, ctypes.c_int64) for name in ("warmup_steps", "total_steps", "decay_steps")]
    _fields_ += [(name, ctypes.c_double) for name in (
        "minimum_ratio", "muon_learning_rate", "muon_momentum", "muon_weight_decay")]
    _fields_ += [("muon_nesterov", ctypes.c_int32), ("muon_iterations", ctypes.c_int32),
                 ("group_patterns", ctypes.c_void_p), ("group_learning_rates", ctypes.c_void_p),
                 ("group_weight_decays", ctypes.c_void_p), ("group_count", ctypes.c_int64)]
    _fields_ += [(name, ctypes.c_double) for name in ("layer_decay", "lars_trust", "lars_momentum")]


class ScheduleOptions(ctypes.Structure):
    """fst_schedule_options of fourstage/optimizer.h"""
    _fields_ = [("struct_size", ctypes.c_size_t), ("kind", ctypes.c_int32), ("warmup", ctypes.c_int32),
                ("learning_rate", ctypes.c_double), ("minimum_ratio", ctypes.c_double),
                ("warmup_steps", ctypes.c_int64), ("total_steps", ctypes.c_int64),
                ("decay_steps", ctypes.c_int64)]


class Report(ctypes.Structure):
    """fst_optimizer_report of fourstage/optimizer.h"""
    _fields_ = [("struct_size", ctypes.c_size_t), ("step", ctypes.c_int64), ("learning_rate", ctypes.c_double),
                ("muon_learning_rate", ctypes.c_double), ("gradient_norm", ctypes.c_double),
                ("clip_factor", ctypes.c_double)]


class Parameter(ctypes.Structure):
    """fst__parameter of tensor/parameter.h"""
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_void_p), ("gradient", ctypes.c_void_p),
                ("working", ctypes.c_void_p), ("rows", ctypes.c_int64), ("columns", ctypes.c_int64),
                ("flags", ctypes.c_uint32), ("rank", ctypes.c_int32)]


probe = ctypes.CDLL(sys.argv[1])
probe.probe_error.restype = ctypes.c_char_p
failures = 0


def report(name, error, limit):
    global failures
    good = error <= limit
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {name:<46} {error:.2e} (limit {limit:.0e})")


def problem(scale):
    random = np.random.default_rng(5)
    values = [random.standard_normal(shape).astype(np.float32) for _, shape, _ in SHAPES]
    gradients = [[(scale * random.standard_normal(shape)).astype(np.float32) for _, shape, _ in SHAPES]
                 for _ in range(STEPS)]
    return values, gradients


def ours(values, gradients, **settings):
    options = OptimizerOptions(ctypes.sizeof(OptimizerOptions), learning_rate=1e-3, beta1=0.9, beta2=0.999,
                               epsilon=1e-8, weight_decay=0.01, clip_norm=0, muon_learning_rate=0.02,
                               muon_momentum=0.95, muon_nesterov=1, muon_iterations=5, layer_decay=1,
                               lars_trust=0.001, lars_momentum=0.9)
    for key, value in settings.items():
        setattr(options, key, value)
    results = [value.copy() for value in values]
    scratch = [np.empty_like(value) for value in values]
    parameters = (Parameter * len(SHAPES))()
    for i, (name, shape, flags) in enumerate(SHAPES):
        rows, columns = shape if len(shape) == 2 else (1, shape[0])
        parameters[i] = Parameter(name.encode(), results[i].ctypes.data, scratch[i].ctypes.data, None, rows,
                                  columns, flags, len(shape))
    pointers = (ctypes.c_void_p * (STEPS * len(SHAPES)))(
        *[gradient.ctypes.data for step in gradients for gradient in step])
    reports = (Report * STEPS)()
    status = probe.probe_train(ctypes.byref(options), ctypes.c_int64(len(SHAPES)), parameters, pointers,
                               ctypes.c_int64(STEPS), reports)
    if status:
        raise RuntimeError(probe.probe_error().decode())
    return results, reports


def theirs(values, gradients, make, clip=0.0, dtype=torch.float32):
    """make: list of (parameter, flags) to a list of optimizers."""
    parameters = [torch.nn.Parameter(torch.tensor(value, dtype=dtype)) for value in values]
    optimizers = make([(parameter, flags) for parameter, (_, _, flags) in zip(parameters, SHAPES)])
    norms = []
    for step in gradients:
        for parameter, gradient in zip(parameters, step):
            parameter.grad = torch.tensor(gradient, dtype=dtype)
        norms.append(float(torch.nn.utils.clip_grad_norm_(parameters, clip if clip else math.inf)))
        for optimizer in optimizers:
            optimizer.step()
    return [parameter.detach().double().numpy() for parameter in parameters], norms


def groups(pairs, decay):
    return [{"params": [p for p, flags in pairs if flags & DECAY], "weight_decay": decay},
            {"params": [p for p, flags in pairs if not flags & DECAY], "weight_decay": 0.0}]


def difference(a, b):
    """Largest difference relative to 1 + |value|."""
    return max(float(np.max(np.abs(x.astype(np.float64) - y) / (1 + np.abs(y)))) for x, y in zip(a, b))


def check(name, scale, make, limit, clip=0.0, dtype=torch.float32, **settings):
    values, gradients = problem(scale)
    result, reports = ours(values, gradients, clip_norm=clip, **settings)
    expected, norms = theirs(values, gradients, make, clip, dtype)
    report(name, difference(result, expected), limit)
    report(name + ": gradient norm", max(abs(r.gradient_norm / n - 1) for r, n in zip(reports, norms)), 1e-6)


def check_adamw():
    check("AdamW", 0.3, lambda pairs: [torch.optim.AdamW(groups(pairs, 0.1), lr=0.01)], 1e-6,
          learning_rate=0.01, weight_decay=0.1)
    check("AdamW clipped", 0.3, lambda pairs: [torch.optim.AdamW(groups(pairs, 0.1), lr=0.01)], 1e-6,
          clip=1.0, learning_rate=0.01, weight_decay=0.1)
    check("AdamW betas .8 .95 eps .1", 3.0,
          lambda pairs: [torch.optim.AdamW(groups(pairs, 0.5), lr=0.03, betas=(0.8, 0.95), eps=0.1)], 1e-6,
          learning_rate=0.03, weight_decay=0.5, beta1=0.8, beta2=0.95, epsilon=0.1)


def check_sgd():
    for name, settings in [
            ("SGD", {}), ("SGD decay", {"weight_decay": 0.1}),
            ("SGD momentum", {"momentum": 0.9, "weight_decay": 0.1}),
            ("SGD dampening", {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
            ("SGD Nesterov", {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1})]:
        rest = {key: value for key, value in settings.items() if key != "weight_decay"}
        decay = settings.get("weight_decay", 0.0)
        check(name, 0.3, lambda pairs: [torch.optim.SGD(groups(pairs, decay), lr=0.1, **rest)], 1e-6, clip=5.0,
              kind=1, learning_rate=0.1, weight_decay=decay,
              **{key: int(value) if key == "nesterov" else value for key, value in rest.items()})


class ReferenceLARS(torch.optim.SGD):
    """LARC of github.com/NVIDIA/apex, parallel/LARC.py, with clip=False, over torch.optim.SGD; groups with
    adapted False are left out."""

    def __init__(self, groups, lr, momentum=0.9, nesterov=False, trust=0.001, eps=1e-8):
        super().__init__(groups, lr=lr, momentum=momentum, nesterov=nesterov)
        self.trust, self.eps = trust, eps

    @torch.no_grad()
    def step(self, closure=None):
        decays = [group["weight_decay"] for group in self.param_groups]
        for group, decay in zip(self.param_groups, decays):
            group["weight_decay"] = 0
            for p in group["params"] if group["adapted"] else []:
                weight, gradient = torch.norm(p), torch.norm(p.grad)
                if weight != 0 and gradient != 0:
                    p.grad += decay * p
                    p.grad *= self.trust * weight / (gradient + weight * decay + self.eps)
        super().step(closure)
        for group, decay in zip(self.param_groups, decays):
            group["weight_decay"] = decay


def check_lars():
    def make(decay, **settings):
        def of(pairs):
            decayed, rest = groups(pairs, decay)
            return [ReferenceLARS([{**decayed, "adapted": True}, {**rest, "adapted": False}], **settings)]
        return of
    check("LARS", 0.3, make(1e-4, lr=4.8), 1e-6, kind=3, learning_rate=4.8, weight_decay=1e-4)
    check("LARS clipped, decay .1", 0.3, make(0.1, lr=2.0), 1e-6, clip=1.0, kind=3, learning_rate=2.0,
          weight_decay=0.1)
    check("LARS Nesterov, trust .02", 3.0, make(1e-6, lr=1.0, momentum=0.8, nesterov=True, trust=0.02), 1e-6,
          kind=3, learning_rate=1.0, weight_decay=1e-6, lars_momentum=0.8, nesterov=1, lars_trust=0.02)


class ReferenceMuon(torch.optim.Optimizer):
    """SingleDeviceMuon of github.com/KellerJordan/Muon, muon.py, in the parameters' own dtype."""

    def __init__(self, params, lr, weight_decay, momentum=0.95, steps=5, nesterov=True, scale="original"):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "steps": steps,
                                  "nesterov": nesterov, "scale": scale})

    @staticmethod
    def zeropower(gradient, steps):
        a, b, c = (3.4445, -4.7750, 2.0315)
        x = gradient
        if gradient.size(-2) > gradient.size(-1):
            x = x.mT
        x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
        for _ in range(steps):
            product = x @ x.mT
            x = a * x + (b * product + c * product @ product) @ x
        return x.mT if gradient.size(-2) > gradient.size(-1) else x

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(p)
                momentum, beta = state["momentum_buffer"], group["momentum"]
                momentum.lerp_(p.grad, 1 - beta)
                update = p.grad.lerp(momentum, beta) if group["nesterov"] else momentum
                update = self.zeropower(update, group["steps"])
                rows, columns = p.shape
                update = update * (max(1, rows / columns) ** 0.5 if group["scale"] == "original"
                                   else 0.2 * max(rows, columns) ** 0.5)
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"])


def muon_with_adamw(muon, **settings):
    def make(pairs):
        hidden = [p for p, flags in pairs if flags & HIDDEN]
        rest = [(p, flags) for p, flags in pairs if not flags & HIDDEN]
        return [muon(hidden, **settings), torch.optim.AdamW(groups(rest, 0.01), lr=1e-3)]
    return make


def check_muon():
    check("Muon, published code in double", 0.3, muon_with_adamw(ReferenceMuon, lr=0.02, weight_decay=0.1), 1e-5,
          clip=1.0, dtype=torch.float64, kind=2, muon_weight_decay=0.1)
    check("Muon, no Nesterov, .9, 3 iterations", 0.3,
          muon_with_adamw(ReferenceMuon, lr=0.02, weight_decay=0.0, momentum=0.9, steps=3, nesterov=False), 1e-5,
          dtype=torch.float64, kind=2, muon_momentum=0.9, muon_iterations=3, muon_nesterov=0)
    check("Muon, scale of AdamW's RMS", 0.3,
          muon_with_adamw(ReferenceMuon, lr=0.02, weight_decay=0.1, scale="rms"), 1e-5, dtype=torch.float64, kind=2,
          muon_weight_decay=0.1, muon_scale=1)
    # torch's own iterates in bfloat16: 8 bits, and five steps of 0.02 (times up to √3) each.
    for scale, adjust in ((0, "original"), (1, "match_rms_adamw")):
        check(f"Muon, torch.optim.Muon {adjust}", 0.3,
              muon_with_adamw(torch.optim.Muon, lr=0.02, weight_decay=0.1, adjust_lr_fn=adjust), 2e-2, kind=2,
              muon_weight_decay=0.1, muon_scale=scale)


def check_schedule(name, lr_lambda, limit=1e-12, skip=0, **settings):
    steps = 140
    options = ScheduleOptions(ctypes.sizeof(ScheduleOptions), warmup=1, learning_rate=3e-4, warmup_steps=10,
                              total_steps=120)
    for key, value in settings.items():
        setattr(options, key, value)
    rates = (ctypes.c_double * steps)()
    if probe.probe_schedule(ctypes.byref(options), ctypes.c_int64(steps), rates):
        raise RuntimeError(probe.probe_error().decode())
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
    schedule = lr_lambda(optimizer)
    error = 0.0
    for step in range(120):  # theirs goes on past the end as it likes
        if step >= skip:
            error = max(error, abs(schedule.get_last_lr()[0] - rates[step]) / 3e-4)
        optimizer.step()
        schedule.step()
    report("schedule " + name, error, limit)


def check_schedules():
    t = transformers
    check_schedule("constant", lambda o: t.get_constant_schedule_with_warmup(o, 10), kind=0)
    check_schedule("linear", lambda o: t.get_linear_schedule_with_warmup(o, 10, 120), kind=1)
    check_schedule("cosine", lambda o: t.get_cosine_schedule_with_warmup(o, 10, 120), kind=2)
    check_schedule("cosine with minimum",
                   lambda o: t.optimization.get_cosine_with_min_lr_schedule_with_warmup(o, 10, 120, min_lr_rate=0.1),
                   kind=2, minimum_ratio=0.1)
    check_schedule("WSD 1-sqrt", lambda o: t.get_wsd_schedule(
        o, num_warmup_steps=10, num_decay_steps=30, num_stable_steps=80, decay_type="1-sqrt"), kind=3, decay_steps=30)
    # Theirs warms up from the minimum, ours from 0.
    check_schedule("WSD 1-sqrt with minimum", lambda o: t.get_wsd_schedule(
        o, num_warmup_steps=10, num_decay_steps=30, num_stable_steps=80, decay_type="1-sqrt", min_lr_ratio=0.2),
        skip=10, kind=3, decay_steps=30, minimum_ratio=0.2)
    check_schedule("inverse sqrt", lambda o: t.get_inverse_sqrt_schedule(o, 10), kind=4)
    check_schedule("inverse sqrt without warm-up", lambda o: t.get_inverse_sqrt_schedule(o, 0), kind=4, warmup_steps=0)


check_adamw()
check_sgd()
check_lars()
check_muon()
check_schedules()
sys.exit(1 if failures else 0)
