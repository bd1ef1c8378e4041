"""One step of training on preferences here and in PyTorch: loss, metrics and each parameter's gradient
on a small GPT-2, for every kind, with a reference that is another model.

Tolerances: loss and metrics 1e-5, gradients 1e-4 relative in norm.
"""
import os
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
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

PROMPTS = ["what is tea?", "tell me about the sea", "rain", "why do cats sleep so long?", "a walk", "soup"]
CHOSEN = ["a warm drink, made of leaves", "it is large and blue", "water", "they like it", "good", "yes"]
REJECTED = ["no", "I do not know what that is at all", "it is dry", "no reason", "bad, very bad", "soup is hot"]
NAMES = (("embedding.tokens", "transformer.wte"), ("embedding.positions", "transformer.wpe"),
         ("layers.", "transformer.h."), ("attention.norm", "ln_1"), ("attention.qkv", "attn.c_attn"),
         ("attention.output", "attn.c_proj"), ("mlp.norm", "ln_2"), ("mlp.up", "mlp.c_fc"),
         ("mlp.down", "mlp.c_proj"))


def their_name(name):
    for ours, theirs in NAMES:
        name = name.replace(ours, theirs)
    return "transformer.ln_f." + name[5:] if name.startswith("norm.") else name


def torch_model(seed):
    torch.manual_seed(seed)
    config = transformers.GPT2Config(vocab_size=280, n_positions=96, n_embd=48, n_layer=2, n_head=4,
                                     resid_pdrop=0.1, embd_pdrop=0.1, attn_pdrop=0.1,
                                     bos_token_id=0, eos_token_id=0)
    model = transformers.GPT2LMHeadModel(config).float()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()  # no dropout, as the run's default


def load(context, model):
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return fst.Model.load(context, folder)


def preferences(context):
    tokenizer = fst.Tokenizer.train_texts(context, PROMPTS + CHOSEN + REJECTED, vocabulary_size=275,
                                          special_tokens=["<end>"])
    tokenizer.set_special_id(fst.TOKEN_EOS, 0)
    return fst.Dataset.from_preferences(context, tokenizer, PROMPTS, zip(CHOSEN, REJECTED))


def sequence(dataset, index, which):
    example = dataset.get_example(index, which)
    ids = np.ctypeslib.as_array(example.ids, (example.length,)).copy()
    return ids, example.prompt_length


def log_probability(model, ids, prompt):
    """Σ log π of the answer's tokens, and how many they are; a row of its own, without padding."""
    ids = torch.tensor(ids).long()
    logits = model(ids[None]).logits[0, :-1]
    each = F.log_softmax(logits, -1).gather(1, ids[1:, None])[:, 0][prompt - 1:]
    return each.sum(), len(each)


def torch_step(policy, reference, dataset, kind, beta, smoothing, sft, rows):
    chosen, rejected, losses, nll, kl = [], [], [], [], []
    pairs = [[sequence(dataset, i % len(PROMPTS), which) for which in (0, 1)] for i in range(rows + 1)]
    for i in range(rows):
        ratios, lengths = [], []
        for which in (0, 1):
            ids, prompt = pairs[i][which]
            policy_sum, length = log_probability(policy, ids, prompt)
            with torch.no_grad():
                reference_sum, _ = log_probability(reference, ids, prompt)
            ratios.append(policy_sum - reference_sum)
            lengths.append(length)
            other, other_prompt = pairs[i + 1][which]
            mixed = np.concatenate([ids[:prompt], other[other_prompt:]])
            mixed = mixed[:dataset.get_examples_info().longest]
            with torch.no_grad():
                kl.append(log_probability(policy, mixed, prompt)[0] -
                          log_probability(reference, mixed, prompt)[0])
            if which == 0:
                nll.append(-policy_sum / length)
        if kind == fst.DPO_IPO:
            ratios = [ratio / length for ratio, length in zip(ratios, lengths)]
        chosen.append(ratios[0])
        rejected.append(ratios[1])
    chosen, rejected, nll = torch.stack(chosen), torch.stack(rejected), torch.stack(nll)
    logits = chosen - rejected
    point = torch.stack(kl).mean().clamp(min=0)
    if kind == fst.DPO_SIGMOID:
        losses = -F.logsigmoid(beta * logits) * (1 - smoothing) - F.logsigmoid(-beta * logits) * smoothing
    elif kind == fst.DPO_IPO:
        losses = (logits - 1 / (2 * beta)) ** 2
    elif kind == fst.DPO_HINGE:
        losses = torch.relu(1 - beta * logits)
    else:
        losses = torch.cat([1 - torch.sigmoid(beta * (chosen - point)),
                            1.5 * (1 - torch.sigmoid(beta * (point - rejected)))])
    loss = losses.mean() + sft * nll.mean()
    policy.zero_grad()
    loss.backward()
    return {"loss": loss.item(), "sft_loss": nll.mean().item(), "margin": beta * logits.mean().item(),
            "chosen_reward": beta * chosen.mean().item(), "rejected_reward": beta * rejected.mean().item(),
            "reference_point": point.item()}


def check(kind, beta, smoothing, sft, rows, accumulation):
    policy, reference = torch_model(1), torch_model(2)
    context = fst.Context(threads=1)
    dataset = preferences(context)
    model, other = load(context, policy), load(context, reference)
    optimizer = fst.Optimizer(model, keep_gradients=1, learning_rate=0)
    run = fst.dpo_create(model=model, optimizer=optimizer, reference_model=other, train=dataset, kind=kind,
                         beta=beta, label_smoothing=smoothing, sft=sft, undesirable_weight=1.5, shuffle=0,
                         rows=rows // accumulation, accumulation=accumulation)
    run.step()
    wanted = torch_step(policy, reference, dataset, kind, beta, smoothing, sft, rows)
    worst = 0
    for name, value in wanted.items():
        if name == "reference_point" and kind != fst.DPO_KTO:
            continue
        error = abs(run.metric(name) - value) / max(abs(value), 0.1)  # differences of sums of a hundred nats
        assert error <= 1e-5, (kind, name, run.metric(name), value)
        worst = max(worst, error)
    theirs, most = dict(policy.named_parameters()), 0
    for index in range(model.parameter_count()):
        name = model.parameter_name(index)
        got, gradient = np.array(model.gradient(name)), theirs[their_name(name)].grad.numpy()
        got = got.T if got.ndim == 2 and "layers" in name else got
        error = np.linalg.norm(got - gradient) / max(np.linalg.norm(gradient), 1e-6)
        assert error <= 1e-4, (kind, name, error)
        most = max(most, error)
    print(f"kind {kind}, β {beta}, smoothing {smoothing}, α {sft}, {accumulation} micro-batches: "
          f"loss {wanted['loss']:.6f}, metrics {worst:.2g}, gradients {most:.2g}")


def main():
    check(fst.DPO_SIGMOID, 0.1, 0, 0, 6, 1)
    check(fst.DPO_SIGMOID, 0.3, 0.1, 0.5, 6, 3)
    check(fst.DPO_IPO, 0.1, 0, 0, 4, 2)
    check(fst.DPO_HINGE, 0.1, 0, 0, 5, 1)
    check(fst.DPO_KTO, 0.1, 0, 0.2, 5, 1)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
