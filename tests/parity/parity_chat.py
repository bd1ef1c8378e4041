"""Chat templates beside Hugging Face: for ChatML, Llama 3 and Alpaca the ids and what is trained on, over
conversations made of real and of random texts, with ids of a tokenizer that both read."""
import os
import random
import sys
import tempfile
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
ROOT = Path(os.environ.get("FOURSTAGE_SOURCE", Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(ROOT / "examples" / "python"))
try:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast
except ImportError:
    print("skipped: no tokenizers and transformers")
    sys.exit(77)
import fourstage  # noqa: E402

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>",
           "<|end_header_id|>", "<|eot_id|>"]

# The template of Hugging Face's documentation ("Templates for chat models"), and the one of
# meta-llama/Meta-Llama-3-8B-Instruct's tokenizer_config.json.
CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% endif %}")
LLAMA3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
    "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + "
    "'<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}")
# tatsu-lab/stanford_alpaca, train.py
ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the "
    "request.\n\n### Instruction:\n{instruction}\n\n### Response:")
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
           r"\s*[\r\n]+|\s+(?!\S)|\s+")

WORDS = ("the cat sat on a mat don't 12345 hello, world! ... \n \n\n \t 你好 世界 é ü 🙂 ### Instruction: "
         "user assistant <|x|> | < > system ' \" 3.14 \r\n \u3000 \x1c end").split(" ") + [" ", "\n", ""]


def pre_tokenizer(kind):
    if kind == "gpt2":
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def tokenizer_of(kind, folder):
    """Trained on this repository's own text."""
    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizer(kind)
    theirs.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=2000, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  special_tokens=[AddedToken(t, special=True) for t in SPECIAL])
    theirs.train([str(p) for p in sorted((ROOT / "docs").rglob("*.md"))] + [str(ROOT / "README.md")], trainer)
    path = os.path.join(folder, kind + ".json")
    theirs.save(path)
    return path, PreTrainedTokenizerFast(tokenizer_object=theirs, bos_token="<|begin_of_text|>",
                                         eos_token="<|endoftext|>")


def text(rng):
    return "".join(rng.choice(WORDS) + rng.choice(["", " ", " ", "\n"]) for _ in range(rng.randint(0, 30)))


def conversation(rng):
    turns = [("system", text(rng))] if rng.random() < 0.5 else []
    for _ in range(rng.randint(1, 4)):
        turns += [("user", text(rng)), ("assistant", text(rng))]
    return turns


def spans(rendered, turns, strip, end):
    """Characters [begin, end) of each answer with its end token, found by walking the text."""
    at, found = 0, []
    for role, content in turns:
        content = content.strip() if strip else content
        header = rendered.index(role, at) + len(role)
        at = header + (1 if not strip else len("<|end_header_id|>\n\n"))
        assert rendered[at:at + len(content)] == content, (rendered[at:at + 20], content[:20])
        if role == "assistant":
            found.append((at, at + len(content) + len(end)))
        at += len(content)
    return found


def expect(name, ours, theirs, turns):
    if list(ours) != list(theirs):
        print(f"{name}: {turns!r}\nours   {list(ours)}\ntheirs {list(theirs)}")
        sys.exit(1)


def main():
    rng = random.Random(7)
    checked = tokens = 0
    context = fourstage.Context.create()
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("gpt2", "llama3"):
            path, theirs = tokenizer_of(kind, folder)
            ours = fourstage.Tokenizer.load(context, path)
            ours.set_special_id(fourstage.TOKEN_EOS, theirs.eos_token_id)
            for name, preset, template, end in (
                    ("ChatML", fourstage.CHAT_CHATML, CHATML, "<|im_end|>"),
                    ("Llama 3", fourstage.CHAT_LLAMA3, LLAMA3, "<|eot_id|>")):
                chat = fourstage.ChatTemplate.preset(preset)
                for i in range(1500):
                    turns = conversation(rng)
                    messages = [{"role": role, "content": content} for role, content in turns]
                    generation = i % 3 == 0
                    if generation:
                        messages.pop()
                        turns.pop()
                    rendered = theirs.apply_chat_template(messages, chat_template=template, tokenize=False,
                                                          add_generation_prompt=generation)
                    encoded = theirs(rendered, add_special_tokens=False, return_offsets_mapping=True)
                    ids, trained = fourstage.chat_encode(ours, chat, turns, generation)
                    expect(name, ids, encoded["input_ids"], turns)
                    wanted = spans(rendered, turns, name == "Llama 3", end)
                    # Several ids may share a character; the first of them is where a span begins.
                    starts = [b for b, _ in encoded["offset_mapping"]]
                    inside = [any(b <= s < e for b, e in wanted) for s in starts]
                    expect(name + " trained", trained, [int(x) for x in inside], turns)
                    checked += 1
                    tokens += len(ids)
            chat = fourstage.ChatTemplate.preset(fourstage.CHAT_ALPACA)
            for _ in range(500):
                question, answer = text(rng), text(rng)
                source = ALPACA.format(instruction=question)
                encoded = theirs(source + answer, add_special_tokens=False, return_offsets_mapping=True)
                ids, trained = fourstage.chat_encode(ours, chat, [("user", question), ("assistant", answer)])
                expect("Alpaca", ids, encoded["input_ids"] + [theirs.eos_token_id], (question, answer))
                inside = [int(b >= len(source)) for b, _ in encoded["offset_mapping"]] + [1]
                expect("Alpaca trained", trained, inside, (question, answer))
                checked += 1
                tokens += len(ids)
    print(f"{checked} conversations, {tokens} ids: the same, and the same ones trained on")


main()
