"""The training step of bench_image_step in PyTorch: image_step_torch.py NAME f32|bf16 [SECONDS [LAYOUT]]

LAYOUT: channels_last or contiguous. Threads: FOURSTAGE_THREADS. bfloat16 by autocast. One line of JSON.
"""
import json
import os
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

SHAPES = {  # channels, side, large stem, bottleneck, stage width, blocks, rows, classes
    "fashion": (1, 28, False, False, 32, (2, 2, 2), 128, 10),
    "cifar": (3, 32, False, False, 64, (2, 2, 2, 2), 64, 10),
    "resnet18": (3, 224, True, False, 64, (2, 2, 2, 2), 4, 1000),
    "resnet50": (3, 224, True, True, 64, (3, 4, 6, 3), 4, 1000),
}


def unit(channels, outputs, kernel, stride=1):
    return nn.Sequential(nn.Conv2d(channels, outputs, kernel, stride, kernel // 2, bias=False),
                         nn.BatchNorm2d(outputs))


class Block(nn.Module):
    def __init__(self, channels, inner, outputs, stride, bottleneck):
        super().__init__()
        if bottleneck:
            parts = [unit(channels, inner, 1), unit(inner, inner, 3, stride), unit(inner, outputs, 1)]
        else:
            parts = [unit(channels, outputs, 3, stride), unit(outputs, outputs, 3)]
        self.parts = nn.ModuleList(parts)
        plain = stride == 1 and channels == outputs
        self.shortcut = nn.Identity() if plain else unit(channels, outputs, 1, stride)

    def forward(self, x):
        y = x
        for i, part in enumerate(self.parts):
            y = part(y)
            if i + 1 < len(self.parts):
                y = F.relu(y, inplace=True)
        return F.relu(y + self.shortcut(x), inplace=True)


class ResNet(nn.Module):
    def __init__(self, channels, side, large, bottleneck, width, blocks, rows, classes):
        super().__init__()
        stem = [unit(channels, width, 7, 2) if large else unit(channels, width, 3), nn.ReLU(True)]
        if large:
            stem.append(nn.MaxPool2d(3, 2, 1))
        self.stem = nn.Sequential(*stem)
        body, entering = [], width
        for stage, count in enumerate(blocks):
            inner = width << stage
            outputs = inner * 4 if bottleneck else inner
            for block in range(count):
                body.append(Block(entering, inner, outputs, 2 if stage and not block else 1, bottleneck))
                entering = outputs
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(entering, classes)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def main():
    name, dtype = sys.argv[1:3]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 5
    layout = sys.argv[4] if len(sys.argv) > 4 else "channels_last"
    torch.set_num_threads(int(os.environ.get("FOURSTAGE_THREADS", "0")) or os.cpu_count())
    shape = SHAPES[name]
    form = getattr(torch, layout + "_format" if layout == "contiguous" else layout)
    model = ResNet(*shape).to(memory_format=form)
    images = torch.randn(shape[6], shape[0], shape[1], shape[1]).contiguous(memory_format=form)
    labels = torch.arange(shape[6]) % shape[7]
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, fused=True)

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            logits = model(images)
        loss = F.cross_entropy(logits.float(), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)

    step(), step()
    wall, least, start = [], 1e9, time.monotonic()
    while len(wall) < 5 or time.monotonic() - start < seconds:
        before, used = time.monotonic(), time.process_time()
        step()
        wall.append(time.monotonic() - before)
        least = min(least, time.process_time() - used)
    print(json.dumps({"name": name, "dtype": dtype, "layout": layout, "ms": 1e3 * statistics.median(wall),
                      "processor_ms": 1e3 * least, "steps": len(wall)}))


if __name__ == "__main__":
    main()
