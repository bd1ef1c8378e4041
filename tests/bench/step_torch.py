"""The same training step in PyTorch: python3 step_torch.py NAME f32|bf16 [SECONDS] [eager|compile]

The model is written as one would for speed: fused qkv, scaled_dot_product_attention, fused AdamW,
the loss from float32 logits; bfloat16 by casting the weights' copies with autocast. One line of JSON.
"""
import json
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

SHAPES = {  # family, vocabulary, context, layers, heads, width, hidden, rows, length
    "nano": ("gpt2", 65, 64, 4, 4, 128, 512, 12, 64),
    "10.8M": ("gpt2", 65, 256, 6, 6, 384, 1536, 16, 256),
    "124M-T64": ("gpt2", 50257, 1024, 12, 12, 768, 3072, 4, 64),
    "124M-T1024": ("gpt2", 50257, 1024, 12, 12, 768, 3072, 1, 1024),
    "llama-15M": ("llama", 32000, 256, 6, 6, 288, 768, 8, 256),
    "MiniLM": ("bert", 30522, 512, 6, 12, 384, 1536, 32, 128),
}
MASKED = {"MiniLM": 0.15}  # share of the positions that have a target


def norm_of(family, width, bias):
    return nn.LayerNorm(width, bias=bias) if family != "llama" else nn.RMSNorm(width, eps=1e-5)


class Block(nn.Module):
    def __init__(self, family, heads, width, hidden, bias):
        super().__init__()
        self.family, self.heads = family, heads
        self.norm1, self.norm2 = norm_of(family, width, bias), norm_of(family, width, bias)
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)
        self.up = nn.Linear(width, hidden if family != "llama" else 2 * hidden, bias=bias)
        self.down = nn.Linear(hidden, width, bias=bias)

    def forward(self, x, cosine, sine):
        rows, length, width = x.shape
        post = self.family == "bert"
        q, k, v = self.qkv(x if post else self.norm1(x)).view(rows, length, 3, self.heads, -1).unbind(2)
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        if self.family == "llama":
            q, k = (p * cosine + torch.cat((-p[..., p.shape[-1] // 2:], p[..., :p.shape[-1] // 2]),
                                           -1) * sine for p in (q, k))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=not post)
        x = x + self.out(a.transpose(1, 2).reshape(rows, length, width))
        if post:
            x = self.norm1(x)
            return self.norm2(x + self.down(F.gelu(self.up(x))))
        up = self.up(self.norm2(x))
        if self.family == "llama":
            gate, up = up.chunk(2, -1)
            return x + self.down(F.silu(gate) * up)
        return x + self.down(F.gelu(up, approximate="tanh"))


class Model(nn.Module):
    def __init__(self, family, vocabulary, context, layers, heads, width, hidden, bias=None):
        super().__init__()
        self.family = family
        bias = family != "llama" if bias is None else bias
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width) if family != "llama" else None
        self.blocks = nn.ModuleList(Block(family, heads, width, hidden, bias)
                                    for _ in range(layers))
        self.norm = norm_of(family, width, bias)
        if family == "bert":
            self.types, self.transform = nn.Embedding(2, width), nn.Linear(width, width)
            self.embedding_norm = nn.LayerNorm(width)
            self.bias = nn.Parameter(torch.zeros(vocabulary))
        size = width // heads
        angles = torch.outer(torch.arange(context), 10000.0 ** (-torch.arange(0, size, 2) / size))
        self.register_buffer("cosine", torch.cat((angles, angles), -1).cos(), False)
        self.register_buffer("sine", torch.cat((angles, angles), -1).sin(), False)
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids, targets):
        length = ids.shape[1]
        x = self.tokens(ids)
        if self.positions is not None:
            x = x + self.positions.weight[:length]
        if self.family == "bert":
            x = self.embedding_norm(x + self.types.weight[0])
        cosine, sine = self.cosine[:length], self.sine[:length]
        if x.dtype == torch.bfloat16:
            cosine, sine = cosine.bfloat16(), sine.bfloat16()
        for block in self.blocks:
            x = block(x, cosine, sine)
        if self.family == "bert":
            labelled = targets.view(-1) >= 0
            x, targets = x.view(-1, x.shape[-1])[labelled], targets.view(-1)[labelled]
            features = self.norm(F.gelu(self.transform(x)))
            logits = F.linear(features, self.tokens.weight, self.bias)
        else:
            logits = F.linear(self.norm(x), self.tokens.weight)
        return F.cross_entropy(logits.float().view(-1, logits.shape[-1]), targets.view(-1))


def peak_bytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def main():
    name, dtype = sys.argv[1:3]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 5
    how = sys.argv[4] if len(sys.argv) > 4 else "eager"
    torch.set_num_threads(2)
    torch.manual_seed(0)
    *shape, rows, length = SHAPES[name]
    model = Model(*shape)
    step_model = torch.compile(model) if how == "compile" else model
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices}, {"params": vectors, "weight_decay": 0.0}],
                                  lr=1e-4, fused=True)
    ids = torch.randint(shape[1], (rows, length))
    targets = torch.randint(shape[1], (rows, length))
    if name in MASKED:
        targets[torch.rand(targets.shape) >= MASKED[name]] = -100

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            loss = step_model(ids, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for _ in range(3):
        step()
    times, start = [], time.perf_counter()
    while len(times) < 5 or (time.perf_counter() - start < seconds and len(times) < 200):
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    milliseconds = 1e3 * statistics.median(times)
    print(json.dumps({"name": name, "dtype": dtype, "how": how, "ms": milliseconds,
                      "tokens_per_second": rows * length / milliseconds * 1e3,
                      "peak_bytes": peak_bytes(), "steps": len(times)}))


if __name__ == "__main__":
    main()
