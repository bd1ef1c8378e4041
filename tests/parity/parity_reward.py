"""One step of training rewards here and in PyTorch: loss, metrics and each parameter's gradient on a small
GPT-2 with heads, over pairs with margins, over ranked answers, and over labels of several aspects.

Tolerances: loss and metrics 1e-5, gradients 1e-4 relative in norm.
"""
import os
import sys
import tempfile
from itertools import combinations
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

PROMPTS = ["what is tea?", "tell me about the sea", "rain", "why do cats sleep so long?"]
ANSWERS = [["a warm drink, made of leaves", "a drink", "no", "tea?"], ["it is large and blue", "bad"],
           ["water", "it is dry", "I do not know what that is at all"], ["they like it", "no reason"]]
LABELS = [[1.5, 2, 0], [float("nan"), 1, 2], [-0.5, float("nan"), 1], [0.25, 3, float("nan")], [1, 2, 2],
          [0, 0, 1]]
NAMES = (("embedding.tokens", "wte"), ("embedding.positions", "wpe"), ("layers.", "h."),
         ("attention.norm", "ln_1"), ("attention.qkv", "attn.c_attn"), ("attention.output", "attn.c_proj"),
         ("mlp.norm", "ln_2"), ("mlp.up", "mlp.c_fc"), ("mlp.down", "mlp.c_proj"))


def their_name(name):
    for ours, theirs in NAMES:
        name = name.replace(ours, theirs)
    return "ln_f." + name[5:] if name.startswith("norm.") else name


def torch_model():
    torch.manual_seed(3)
    config = transformers.GPT2Config(vocab_size=280, n_positions=96, n_embd=48, n_layer=2, n_head=4,
                                     resid_pdrop=0.1, embd_pdrop=0.1, attn_pdrop=0.1,
                                     bos_token_id=0, eos_token_id=0)
    model = transformers.GPT2LMHeadModel(config).float()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()  # no dropout, as the run's default


def tokenizer_of(context):
    texts = PROMPTS + [answer for answers in ANSWERS for answer in answers]
    tokenizer = fst.Tokenizer.train_texts(context, texts, vocabulary_size=275, special_tokens=["<end>"])
    tokenizer.set_special_id(fst.TOKEN_EOS, 0)
    return tokenizer


def sequence(dataset, index, which=0):
    example = dataset.get_example(index, which)
    return torch.tensor(np.ctypeslib.as_array(example.ids, (example.length,)).copy()).long()


def outputs(trunk, heads, ids):
    """The heads' outputs for the last token; a row of its own, without padding."""
    hidden = trunk(ids[None]).last_hidden_state[0, -1]
    return torch.cat([F.linear(hidden, weight, bias) for weight, bias in heads])


def pairs_step(trunk, heads, dataset, answers, margins, centering):
    losses, centers, deltas, scores = [], [], [], []
    for i, texts in enumerate(answers):
        r = [outputs(trunk, heads, sequence(dataset, i, k))[0] for k in range(len(texts))]
        pairs = list(combinations(range(len(r)), 2))
        margin = margins[i] if len(r) == 2 else 0
        losses.append(sum(-F.logsigmoid(r[a] - r[b] - margin) for a, b in pairs) / len(pairs))
        centers.append(centering * sum((r[a] + r[b]) ** 2 for a, b in pairs) / len(pairs))
        deltas += [(r[a] - r[b]).item() for a, b in pairs]
        scores += [each.item() for each in r]
    loss = (sum(losses) + sum(centers)) / len(answers)
    return loss, {"loss": loss.item(), "centering": sum(centers).item() / len(answers),
                  "margin": np.mean(deltas), "accuracy": np.mean(np.array(deltas) > 0),
                  "reward_mean": np.mean(scores), "reward_min": min(scores), "reward_max": max(scores)}


def graded_step(trunk, heads, dataset, weights):
    z = torch.stack([outputs(trunk, heads, sequence(dataset, i)) for i in range(len(LABELS))])
    y = torch.tensor(LABELS)
    there = ~y.isnan()
    value = F.mse_loss(z[there[:, 0], 0], y[there[:, 0], 0])
    pairs = [(a, b) for a in range(len(y)) for b in range(len(y)) if y[a, 1] > y[b, 1]]
    rank = torch.stack([-F.logsigmoid(z[a, 1] - z[b, 1]) for a, b in pairs]).mean()
    levels = y[there[:, 2], 2]
    above = torch.stack([levels > 0, levels > 1], 1).float()
    level = F.binary_cross_entropy_with_logits(z[there[:, 2], 2:], above, reduction="sum") / len(levels)
    loss = weights[0] * value + weights[1] * rank + weights[2] * level
    return loss, {"loss": loss.item(), "labels": there.sum().item()}


def compare(title, model, run, trunk, heads, loss, wanted):
    loss.backward()
    worst = most = 0
    for name, value in wanted.items():
        error = abs(run.metric(name) - value) / max(abs(value), 0.1)
        assert error <= 1e-5, (title, name, run.metric(name), value)
        worst = max(worst, error)
    theirs = dict(trunk.named_parameters())
    for name, (weight, bias) in heads.items():
        theirs[f"heads.{name}.weight"], theirs[f"heads.{name}.bias"] = weight, bias
    for index in range(model.parameter_count()):
        name = model.parameter_name(index)
        got, gradient = np.array(model.gradient(name)), theirs[their_name(name)].grad.numpy()
        got = got.T if got.ndim == 2 and "layers" in name else got
        # Pairs alone do not move a bias: what is left is rounding, in both.
        error = np.linalg.norm(got - gradient) / max(np.linalg.norm(gradient), 1e-2)
        assert error <= 1e-4, (title, name, error)
        most = max(most, error)
    print(f"{title}: loss {wanted['loss']:.6f}, metrics {worst:.2g}, gradients {most:.2g}")


def prepare(context, named):
    full = torch_model()
    with tempfile.TemporaryDirectory() as folder:
        full.save_pretrained(folder)
        model = fst.Model.load(context, folder)
    heads = {}
    for name, count in named:
        model.add_head(name=name, outputs=count, init_std=0.2)
        heads[name] = tuple(torch.tensor(np.array(model.parameter(f"heads.{name}.{part}"))).requires_grad_()
                            for part in ("weight", "bias"))
    return full.transformer, model, heads


def check_pairs(title, answers, margins, centering, rows, accumulation):
    context = fst.Context(threads=1)
    trunk, model, heads = prepare(context, [("score", 1)])
    dataset = fst.Dataset.from_preferences(context, tokenizer_of(context), PROMPTS, answers, margins)
    optimizer = fst.Optimizer(model, keep_gradients=1, learning_rate=0)
    run = fst.reward_create(model=model, optimizer=optimizer, train=dataset, shuffle=0, rows=rows,
                            accumulation=accumulation, centering=centering)
    run.step()
    loss, wanted = pairs_step(trunk, heads.values(), dataset, answers, margins, centering)
    compare(title, model, run, trunk, heads, loss, wanted)


def check_graded(title, named, rows, accumulation):
    context = fst.Context(threads=1)
    trunk, model, heads = prepare(context, named)
    texts = ["a good thing", "no", "it is large and blue", "cats", "they like it very much", "rain, again"]
    dataset = fst.Dataset.from_labelled(context, tokenizer_of(context), texts, labels=np.float32(LABELS),
                                        label_count=3)
    weights = [1, 0.5, 2]
    optimizer = fst.Optimizer(model, keep_gradients=1, learning_rate=0)
    run = fst.reward_create(model=model, optimizer=optimizer, train=dataset, shuffle=0, rows=rows,
                            accumulation=accumulation, objective=fst.REWARD_GRADED,
                            heads=[name for name, _ in named], head_count=len(named), aspect_count=3,
                            aspect_losses=np.int32([fst.ASPECT_MSE, fst.ASPECT_BT, fst.ASPECT_ORDINAL]),
                            aspect_weights=np.float64(weights), aspect_levels=np.int32([0, 0, 3]))
    run.step()
    loss, wanted = graded_step(trunk, heads.values(), dataset, weights)
    compare(title, model, run, trunk, heads, loss, wanted)


def main():
    pairs = [answers[:2] for answers in ANSWERS]
    margins = np.float32([0.5, 0, 1, 0.25])
    check_pairs("pairs", pairs, np.zeros(4, "f4"), 0, 4, 1)
    check_pairs("pairs with margins and centering", pairs, margins, 0.01, 4, 1)
    check_pairs("two to four answers", ANSWERS, margins, 0.1, 4, 1)
    check_pairs("two to four answers, four micro-batches", ANSWERS, margins, 0.1, 1, 4)
    check_graded("three aspects, one head", [("score", 4)], 6, 1)
    check_graded("three aspects, three heads", [("value", 1), ("rank", 1), ("level", 2)], 6, 1)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
