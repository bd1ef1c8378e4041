"""Two updates of reinforcement learning here and in PyTorch: metrics, and each parameter's gradient in the
second, where ratios are not 1 and clips bite. A small GPT-2 with a value head and a reference that is
another model; the answers are ours, all that follows from them is computed anew.

Tolerances: losses and metrics 1e-5, gradients 1e-4 relative in norm.
"""
import os
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    import torch
    import transformers
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "python"))
import fourstage as fst  # noqa: E402

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

PROMPTS = ["what is tea?", "tell me", "rain", "why do cats sleep?"]
ANSWER, VOCABULARY, RATE = 7, 280, 0.05
NAMES = (("embedding.tokens", "transformer.wte"), ("embedding.positions", "transformer.wpe"),
         ("layers.", "transformer.h."), ("attention.norm", "ln_1"), ("attention.qkv", "attn.c_attn"),
         ("attention.output", "attn.c_proj"), ("mlp.norm", "ln_2"), ("mlp.up", "mlp.c_fc"),
         ("mlp.down", "mlp.c_proj"), ("heads.value", "value"))


def their_name(name):
    for ours, theirs in NAMES:
        name = name.replace(ours, theirs)
    return "transformer.ln_f." + name[5:] if name.startswith("norm.") else name


def torch_model(seed):
    torch.manual_seed(seed)
    config = transformers.GPT2Config(vocab_size=VOCABULARY, n_positions=48, n_embd=48, n_layer=2, n_head=4,
                                     resid_pdrop=0.1, embd_pdrop=0.1, attn_pdrop=0.1,
                                     bos_token_id=0, eos_token_id=0)
    model = transformers.GPT2LMHeadModel(config).float()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    model.value = torch.nn.Linear(48, 1)
    return model.eval()  # a policy that learns has no dropout


def load(context, model):
    with tempfile.TemporaryDirectory() as folder:
        transformers.GPT2LMHeadModel.save_pretrained(model, folder, state_dict={
            name: value for name, value in model.state_dict().items() if not name.startswith("value.")})
        ours = fst.Model.load(context, folder)
    ours.add_head(name="value", kind=fst.HEAD_TOKEN)
    for name in ("weight", "bias"):
        with torch.no_grad():
            np.copyto(ours.parameter(f"heads.value.{name}"), getattr(model.value, name).numpy())
    ours.weights_changed()
    return ours


class Scorer:
    """A score of each answer that depends on its ids, and the answers as they came."""

    def __call__(self, batch, scores):
        batch = getattr(batch, "contents", batch)
        self.prompts = [np.ctypeslib.as_array(batch.prompts[n], (batch.prompt_lengths[n],)).copy()
                        for n in range(batch.count)]
        self.answers = [np.ctypeslib.as_array(batch.responses[n], (batch.response_lengths[n],)).copy()
                        for n in range(batch.count)]
        self.scores = [float(np.float32(np.sin(answer.sum()) + 0.1 * len(answer))) for answer in self.answers]
        for n, score in enumerate(self.scores):
            scores[n] = score
        return 0


def read(model, prompt, answer, temperature, kept):
    """log π, entropy and value of the answer's tokens; a row of its own, without padding."""
    ids = torch.tensor(np.concatenate([prompt, answer])).long()
    hidden = model.transformer(ids[None]).last_hidden_state[0, len(prompt) - 1:-1]
    logits = model.lm_head(hidden) / temperature
    if kept is not None:
        logits = logits.masked_fill(~kept, -torch.inf)
    each = torch.log_softmax(logits, -1)
    entropy = -(each.exp() * each.masked_fill(each.isinf(), 0)).sum(-1)
    return each.gather(1, ids[len(prompt):, None])[:, 0], entropy, model.value(hidden)[:, 0], logits


def advantages_of(o, scorer, old, reference, values):
    """Of each answer's tokens, and the returns."""
    advantages, returns = [], []
    for score, p, q, v in zip(scorer.scores, old, reference, values):
        rewards = torch.zeros_like(p) if o["kl_in_loss"] else -o["kl_coefficient"] * (p - q)
        rewards[-1] += score
        if o["algorithm"] != fst.RL_PPO:
            advantages.append(rewards.sum())
            continue
        last, following, each = 0.0, 0.0, []
        for t in reversed(range(len(rewards))):
            delta = rewards[t] + o["gamma"] * following - v[t]
            last = delta + o["gamma"] * o["lambda_"] * last
            following = v[t]
            each.insert(0, last)
        advantages.append(torch.stack(each))
        returns.append(advantages[-1] + v)
    if o["algorithm"] == fst.RL_PPO:
        every = torch.cat(advantages)
        return [(a - every.mean()) / (every.std() + 1e-8) for a in advantages], returns
    groups = torch.stack(advantages).reshape(-1, o["samples_per_prompt"])
    if o["algorithm"] == fst.RL_RLOO:
        count = groups.shape[1]
        groups = groups - (groups.sum(1, keepdim=True) - groups) / (count - 1)
    else:
        groups = (groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-4)
    return [a.expand(len(p)) for a, p in zip(groups.reshape(-1), old)], None


def mean(o, parts):
    if o["aggregation"] == fst.AGGREGATE_SEQUENCES:
        return torch.stack([part.mean() for part in parts]).mean()
    if o["aggregation"] == fst.AGGREGATE_CONSTANT:
        return torch.stack([part.sum() / ANSWER for part in parts]).mean()
    return torch.cat(parts).mean()


def terms(o, ratio, log_probability, entropy, value, a, old_value, target, reference):
    policy = torch.maximum(-a * ratio, -a * ratio.clamp(1 - o["clip"], 1 + (o["clip_high"] or o["clip"])))
    if o["dual_clip"]:
        policy = torch.where(a < 0, torch.minimum(policy, -a * o["dual_clip"]), policy)
    overruled = (policy != -a * ratio).double()
    clipped = torch.clamp(value, old_value - o["value_clip"], old_value + o["value_clip"])
    squares = 0 * value if target is None else 0.5 * torch.maximum((value - target) ** 2, (clipped - target) ** 2)
    d = log_probability - reference
    kl = torch.exp(-d) - 1 + d if o["kl_estimator"] == fst.KL_K3 else d
    whole = policy + o["value_coefficient"] * squares - o["entropy_coefficient"] * entropy
    if o["kl_in_loss"]:
        whole = whole + o["kl_coefficient"] * kl
    return whole, policy, squares, overruled


def torch_updates(policy, other, scorer, o):
    kept = None
    with torch.no_grad():
        pairs = list(zip(scorer.prompts, scorer.answers))
        if o["top_k"]:
            kept = []
            for prompt, answer in pairs:
                logits = read(policy, prompt, answer, o["temperature"], None)[3]
                kept.append(logits >= logits.topk(o["top_k"]).values[:, -1:])
        lists = kept or [None] * len(pairs)
        first = [read(policy, *pair, o["temperature"], k) for pair, k in zip(pairs, lists)]
        reference = [read(other, *pair, o["temperature"], k)[0] for pair, k in zip(pairs, lists)]
    old, values = [each[0] for each in first], [each[2] for each in first]
    advantages, returns = advantages_of(o, scorer, old, reference, values)
    wanted = {name: 0.0 for name in ("loss", "policy_loss", "value_loss", "entropy", "clip_fraction",
                                     "approximate_kl")}
    largest = 0
    for update in range(2):
        parts, entropies, kl = [], [], []
        for n, (pair, k) in enumerate(zip(pairs, lists)):
            log_probability, entropy, value, _ = read(policy, *pair, o["temperature"], k)
            ratio = torch.exp(log_probability - old[n])
            parts.append(terms(o, ratio, log_probability, entropy, value, advantages[n], values[n],
                               returns[n] if returns else None, reference[n]))
            entropies.append(entropy)
            kl.append(ratio - 1 - (log_probability - old[n]))
            largest = max(largest, ratio.max().item())
        losses = [mean(o, list(each)) for each in zip(*[part[:3] for part in parts])]
        found = [loss.item() for loss in losses] + [
            torch.cat(entropies).mean().item(), torch.cat([part[3] for part in parts]).mean().item(),
            torch.cat(kl).mean().item()]
        for name, value in zip(wanted, found):
            wanted[name] += value / 2
        policy.zero_grad()
        losses[0].backward()
        if update == 0:
            with torch.no_grad():
                for parameter in policy.parameters():
                    if parameter.grad is not None:
                        parameter -= RATE * parameter.grad
    wanted["ratio"] = largest
    wanted["kl"] = np.mean([(p - q).sum().item() for p, q in zip(old, reference)])
    wanted["reward"] = np.mean(scorer.scores)
    if returns:
        target = torch.cat(returns)
        wanted["explained_variance"] = 1 - ((target - torch.cat(values)).var() / target.var()).item()
    else:
        del wanted["value_loss"]
    return wanted


def check(what, **settings):
    o = dict(algorithm=fst.RL_PPO, samples_per_prompt=1, clip=0.2, clip_high=0.0, dual_clip=0.0, value_clip=0.2,
             value_coefficient=0.1, entropy_coefficient=0.0, gamma=1.0, lambda_=0.95, kl_coefficient=0.05,
             kl_estimator=fst.KL_K1, kl_in_loss=0, aggregation=fst.AGGREGATE_TOKENS, temperature=1.0, top_k=0)
    o.update(settings)
    policy, other = torch_model(1), torch_model(2)
    context = fst.Context(threads=1, seed=5)
    tokenizer = fst.Tokenizer.train_texts(context, PROMPTS, vocabulary_size=275, special_tokens=["<end>"])
    model, reference, scorer = load(context, policy), load(context, other), Scorer()
    optimizer = fst.Optimizer(model, kind=fst.OPTIMIZER_SGD, learning_rate=RATE, weight_decay=0, clip_norm=0,
                              keep_gradients=1)
    options = {name: value for name, value in o.items() if name not in ("temperature", "top_k", "lambda_")}
    options = fst.RlOptions(**options, epochs=2, prompts_per_step=len(PROMPTS), model=model,
                            optimizer=optimizer, reference=reference,
                            prompts=fst.Dataset.from_prompts(context, tokenizer, PROMPTS),
                            reward_model=fst.RewardModel.from_callback(context, scorer),
                            whiten_advantages=int(o["algorithm"] == fst.RL_PPO),
                            sampling=fst.SamplingOptions(max_new_tokens=ANSWER, top_k=o["top_k"],
                                                         temperature=o["temperature"]))
    setattr(options, "lambda", o["lambda_"])
    run = fst.rl_create(options)
    run.step()
    assert run.metric("first_ratio_error") == 0
    assert run.metric("sampling_error") <= 1e-4, run.metric("sampling_error")
    wanted, worst = torch_updates(policy, other, scorer, o), 0
    assert wanted["approximate_kl"] > 1e-5 and wanted["ratio"] > 1.01  # the second update says something
    for name, value in wanted.items():
        error = abs(run.metric(name) - value) / max(abs(value), 0.1)
        assert error <= 1e-5, (what, name, run.metric(name), value)
        worst = max(worst, error)
    theirs, most = dict(policy.named_parameters()), 0
    for index in range(model.parameter_count()):
        name = model.parameter_name(index)
        if "value" in name and o["algorithm"] != fst.RL_PPO:
            continue
        got, gradient = np.array(model.gradient(name)), theirs[their_name(name)].grad.numpy()
        got = got.T if got.ndim == 2 and "layers" in name else got
        error = np.linalg.norm(got - gradient) / max(np.linalg.norm(gradient), 1e-6)
        assert error <= 1e-4, (what, name, error)
        most = max(most, error)
    print(f"{what}: loss {wanted['loss']:.6f}, clipped {wanted['clip_fraction']:.3f}, ratio up to "
          f"{wanted['ratio']:.3f}, metrics {worst:.2g}, gradients {most:.2g}")


def main():
    check("PPO, k1 in the reward")
    check("PPO, warmer, narrow clips", temperature=0.8, clip=0.02, value_clip=0.01, value_coefficient=0.5)
    check("PPO, k3 in the loss, entropy, dual clip, top-k", kl_in_loss=1, kl_estimator=fst.KL_K3,
          entropy_coefficient=0.02, clip=0.05, clip_high=0.1, dual_clip=1.05, top_k=40, gamma=0.97)
    check("RLOO", algorithm=fst.RL_RLOO, samples_per_prompt=3)
    check("GRPO", algorithm=fst.RL_GRPO, samples_per_prompt=4, kl_in_loss=1, kl_estimator=fst.KL_K3,
          kl_coefficient=0.04, aggregation=fst.AGGREGATE_SEQUENCES, clip=0.05)
    check("GRPO with Dr. GRPO's mean", algorithm=fst.RL_GRPO, samples_per_prompt=4, kl_coefficient=0.0,
          aggregation=fst.AGGREGATE_CONSTANT, clip_high=0.28)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
