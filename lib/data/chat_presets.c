/* The known templates, as their originals write them. */
#include "base/error.h"
#include "data/chat.h"

fst_chat_template fst__chat_defaults(void)
{
    return (fst_chat_template){.struct_size = sizeof(fst_chat_template), .train_suffix = 1};
}

/* openai-python's chatml.md; the template of that name in Hugging Face's documentation. */
static void set_chatml(fst_chat_template *chat)
{
    chat->system_prefix = "<|im_start|>system\n";
    chat->user_prefix = "<|im_start|>user\n";
    chat->assistant_prefix = "<|im_start|>assistant\n";
    chat->system_suffix = chat->user_suffix = chat->assistant_suffix = "<|im_end|>\n";
}

/* meta-llama/llama3, llama/tokenizer.py, ChatFormat: encode_header and encode_message. */
static void set_llama3(fst_chat_template *chat)
{
    chat->begin = "<|begin_of_text|>";
    chat->system_prefix = "<|start_header_id|>system<|end_header_id|>\n\n";
    chat->user_prefix = "<|start_header_id|>user<|end_header_id|>\n\n";
    chat->assistant_prefix = "<|start_header_id|>assistant<|end_header_id|>\n\n";
    chat->system_suffix = chat->user_suffix = chat->assistant_suffix = "<|eot_id|>";
    chat->trim = 1;
}

/* tatsu-lab/stanford_alpaca, train.py: PROMPT_DICT, and the end token behind the target. */
static void set_alpaca(fst_chat_template *chat)
{
    chat->default_system = "Below is an instruction that describes a task. "
                           "Write a response that appropriately completes the request.";
    chat->input_system = "Below is an instruction that describes a task, paired with an input that "
                         "provides further context. "
                         "Write a response that appropriately completes the request.";
    chat->system_suffix = "\n\n";
    chat->user_prefix = "### Instruction:\n";
    chat->input_prefix = "\n\n### Input:\n";
    chat->user_suffix = "\n\n";
    chat->assistant_prefix = "### Response:";
    chat->add_end = 1;
}

fst_status fst__chat_preset(fst_chat_template *chat, int32_t kind)
{
    *chat = fst__chat_defaults();
    switch (kind) {
    case FST_CHAT_PLAIN:
        chat->add_end = 1;
        return FST_OK;
    case FST_CHAT_CHATML:
        set_chatml(chat);
        return FST_OK;
    case FST_CHAT_LLAMA3:
        set_llama3(chat);
        return FST_OK;
    case FST_CHAT_ALPACA:
        set_alpaca(chat);
        return FST_OK;
    default:
        return fst__fail(FST_ERR_INVALID_ARGUMENT, "kind %d is none of the FST_CHAT_ values", kind);
    }
}
