"""Contrastive runs against PyTorch on a small BERT: embeddings, and a step's loss, gradient norm and the gradient of
the token embedding, which has come through everything. Pairs and triplets, mean, first token and a projection head,
in one piece and by chunks.

Tolerances: embeddings and loss 1e-5, gradients 1e-4 relative in norm.
"""
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

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "python"))
import fourstage as fst  # noqa: E402

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
THINGS = ["cat", "dog", "ship", "tree", "house", "river", "old king", "small bird"]
ROWS = 8
failures = 0


def report(name, error, limit):
    global failures
    good = error <= limit
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {name:<52} {error:.2e} (limit {limit:.0e})")


def differ(got, expected):
    got, expected = np.asarray(got, "float64"), np.asarray(expected, "float64")
    return np.abs(got - expected).max() / max(np.abs(expected).max(), 1e-30)


def make_encoder(context, folder):
    texts = [f"the {thing} of the {other}" for thing in THINGS for other in THINGS]
    tokenizer = fst.Tokenizer.train_texts(context, texts, kind=fst.TOKENIZER_WORDPIECE, vocabulary_size=120)
    config = fst.ModelConfig()
    config.set_family(fst.FAMILY_BERT)
    for name, value in dict(vocabulary_size=tokenizer.vocabulary_size(), context_length=24, layers=2, width=32, heads=4,
                            hidden_size=64, token_types=2, init_std=0.2).items():
        setattr(config, name, value)
    fst.Model(context, config).save(tokenizer, folder)
    return tokenizer


def texts_of(views):
    first = [f"the {thing}" for thing in THINGS]
    return [first, [f"a {thing} of the house" for thing in THINGS], [f"the {thing} of a tree" for thing in
                                                                     THINGS[1:] + THINGS[:1]]][:views]


def theirs(folder, tokenizer, texts, pooling, head):
    """Embeddings of each list of texts, and the model they come from."""
    model = transformers.BertModel.from_pretrained(folder, add_pooling_layer=False).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0
    weights = [torch.tensor(weight, requires_grad=True) for weight in head]
    results = []
    for some in texts:
        ids = [tokenizer.encode(text) for text in some]
        longest = max(map(len, ids))
        padded = torch.tensor([list(each) + [0] * (longest - len(each)) for each in ids])
        mask = torch.tensor([[1] * len(each) + [0] * (longest - len(each)) for each in ids])
        hidden = model(input_ids=padded.long(), attention_mask=mask).last_hidden_state
        rows = hidden[:, 0] if pooling == fst.POOL_FIRST else \
            (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        if head:
            rows = F.relu(rows @ weights[0].T + weights[1]) @ weights[2].T + weights[3]
        results.append(rows)
    return model, weights, results


def check(context, folder, tokenizer, name, views, pooling, with_head, chunk, objective):
    model = fst.Model.load(context, folder)
    head = []
    if with_head:
        model.add_head(name="projection", pooling=pooling, hidden_layers=1, outputs=12, init_std=0.3)
        head = [np.array(model.parameter(f"heads.projection.{part}")) for part in
                ("hidden.0.weight", "hidden.0.bias", "weight", "bias")]
    texts = texts_of(views)
    data = fst.Dataset.from_pairs(context, tokenizer, texts[0], texts[1], texts[2] if views == 3 else None, None, ROWS,
                                  add_bos=True, add_eos=True)
    reference, _, embeddings = theirs(folder, tokenizer, texts, pooling, head)
    for sequence in range(views):
        ours = model.embed(data, sequence=sequence, pooling=pooling,
                           **(dict(head="projection") if with_head else {})).reshape(ROWS, -1)
        report(f"{name}: embeddings {sequence}",
               float(np.abs(ours - F.normalize(embeddings[sequence]).detach().numpy()).max()), 1e-5)
    if objective == fst.CONTRASTIVE_NTXENT:
        z = F.normalize(torch.cat(embeddings))
        logits = (z @ z.T / 0.3).masked_fill(torch.eye(2 * ROWS, dtype=torch.bool), -torch.inf)
        loss = F.cross_entropy(logits, torch.cat([torch.arange(ROWS) + ROWS, torch.arange(ROWS)]))
    else:
        logits = F.normalize(embeddings[0]) @ F.normalize(torch.cat(embeddings[1:])).T / 0.3
        if views == 3:
            logits = logits + F.pad(0.4 * torch.eye(ROWS), (ROWS, 0))
        loss = F.cross_entropy(logits, torch.arange(ROWS))
    loss.backward()
    optimizer = fst.Optimizer(model, kind=fst.OPTIMIZER_SGD, clip_norm=0, keep_gradients=1)
    run = fst.contrastive_create(
        model=model, optimizer=optimizer, train=data, rows=ROWS, chunk=chunk, shuffle=0, pooling=pooling,
        temperature=0.3, hard_negative_logit=0.4, objective=objective,
        **(dict(head="projection") if with_head else {}))
    run.step()
    report(f"{name}: loss", abs(run.metric("loss") / loss.item() - 1), 1e-5)
    expected = reference.embeddings.word_embeddings.weight.grad.numpy()
    got = np.array(model.gradient("embedding.tokens.weight"))
    report(f"{name}: gradient of the token embedding",
           float(np.linalg.norm(got - expected) / np.linalg.norm(expected)), 1e-4)


def main():
    with tempfile.TemporaryDirectory() as folder, fst.Context(seed=3) as context:
        tokenizer = make_encoder(context, folder)
        infonce, ntxent = fst.CONTRASTIVE_INFONCE, fst.CONTRASTIVE_NTXENT
        for case in (("pairs, mean", 2, fst.POOL_MEAN, False, 0, infonce),
                     ("pairs, mean, chunks of 3", 2, fst.POOL_MEAN, False, 3, infonce),
                     ("pairs, first, NT-Xent", 2, fst.POOL_FIRST, False, 0, ntxent),
                     ("triplets, mean, head", 3, fst.POOL_MEAN, True, 0, infonce),
                     ("triplets, first, head, chunks of 2", 3, fst.POOL_FIRST, True, 2, infonce)):
            check(context, folder, tokenizer, *case)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
