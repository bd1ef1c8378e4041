"""Makes a directory with a small random encoder, and files of sentences: tiny_encoder.py FOLDER"""
import sys
from pathlib import Path

import fourstage

THINGS = ["cat", "dog", "ship", "tree", "house", "river"]
DEEDS = ["sleeps in", "runs around", "stands by", "falls into"]
PLACES = ["the garden", "the town", "the sea", "a field"]


def main():
    folder = Path(sys.argv[1])
    texts = [f"the {thing} {deed} {place}" for thing in THINGS for deed in DEEDS for place in PLACES]
    with fourstage.Context(seed=3) as context:
        tokenizer = fourstage.Tokenizer.train_texts(context, texts, kind=fourstage.TOKENIZER_WORDPIECE,
                                                    vocabulary_size=200)
        config = fourstage.ModelConfig()
        config.set_family(fourstage.FAMILY_BERT)
        for name, value in dict(vocabulary_size=tokenizer.vocabulary_size(), context_length=32, layers=2, width=32,
                                heads=4, hidden_size=64, dropout=0.1, attention_dropout=0.1, token_types=2,
                                init_std=0.2).items():
            setattr(config, name, value)
        model = fourstage.Model(context, config)
        model.save(tokenizer, str(folder / "encoder"))
    (folder / "texts.txt").write_text("\n".join(texts) + "\n")
    rows = [(a, b, len(set(a.split()) & set(b.split()))) for a, b in zip(texts, texts[5:] + texts[:5])]
    (folder / "pairs.csv").write_text("sentence1,sentence2,score\n" +
                                      "".join(f"{a},{b},{score}\n" for a, b, score in rows))


if __name__ == "__main__":
    main()
