/*
 * Models: a backbone (a transformer with orthogonal switches, a ResNet, networks for control), its
 * weights, gradients and heads.
 *
 * A training step by hand: fst_model_forward, fst_model_loss, fst_model_backward,
 * fst_optimizer_step. A loss of the caller's own: fst_model_forward, fst_model_output, compute,
 * fst_model_backward with the gradient of that output.
 *
 * Threads: one model from one thread at a time; calls that take a const model may run together.
 */
#ifndef FOURSTAGE_MODEL_H
#define FOURSTAGE_MODEL_H

#include "fourstage/batch.h"
#include "fourstage/types.h"
#include "fourstage/view.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_FAMILY_GPT2 0  /**< learned positions, LayerNorm, GELU (tanh), biases, tied head. @since 0.1 */
#define FST_FAMILY_LLAMA 1 /**< rotary positions, RMSNorm, SwiGLU, grouped heads, no biases. @since 0.1 */
#define FST_FAMILY_QWEN2 2 /**< Llama with biases on queries, keys and values. @since 0.1 */
#define FST_FAMILY_QWEN3 3 /**< Llama with RMSNorm over each query and key head. @since 0.1 */

#define FST_FAMILY_BERT 4  /**< an encoder: learned positions, two token types, LayerNorm after each branch, GELU, pooler, masked-LM head. @since 0.1 */
#define FST_FAMILY_ROBERTA 5 /**< BERT with one token type and positions from the table's row 2 on. @since 0.1 */
#define FST_FAMILY_MODERNBERT 6 /**< an encoder with LayerNorm before each branch, rotary positions, gated GELU, no biases, every third layer global (arXiv 2412.13663). @since 0.1 */
#define FST_FAMILY_VIT 7   /**< images: patches through a pre-norm encoder (arXiv 2010.11929). @since 0.1 */
#define FST_FAMILY_RESNET 8 /**< images: residual convolutions (arXiv 1512.03385). @since 0.1 */

#define FST_FAMILY_MLP 9 /**< control: vectors through fully connected layers with tanh. @since 0.1 */
#define FST_FAMILY_CNN 10 /**< control: images through three convolutions and a linear layer with ReLU. @since 0.1 */

#define FST_BACKBONE_TRANSFORMER 0 /**< token ids, or with fst_model_config.inputs vectors, through a transformer. @since 0.1 */
#define FST_BACKBONE_RESNET 1      /**< images through residual convolutions. @since 0.1 */
#define FST_BACKBONE_VIT 2         /**< patches of images through a transformer. @since 0.1 */

#define FST_BACKBONE_MLP 3         /**< vectors through fully connected layers. @since 0.1 */
#define FST_BACKBONE_CNN 4         /**< images through three convolutions and a linear layer. @since 0.1 */

#define FST_CNN_ATARI 0 /**< convolutions of 32 8×8 at stride 4, 64 4×4 at stride 2, 64 3×3 (Mnih et al., Nature 518, 2015); images of 36×36 and more. @since 0.1 */
#define FST_CNN_SMALL 1 /**< convolutions of 32, 64, 64 3×3 with padding 1, for small images. @since 0.1 */

#define FST_STEM_3X3 0 /**< a 3×3 convolution of stride 1, for small images. @since 0.1 */
#define FST_STEM_7X7 1 /**< a 7×7 convolution of stride 2, then the maximum of 3×3 at stride 2. @since 0.1 */

#define FST_POSITION_NONE 0    /**< no positions. @since 0.1 */
#define FST_POSITION_LEARNED 1 /**< a table added to the token embedding. @since 0.1 */
#define FST_POSITION_ROTARY 2  /**< RoFormer (arXiv 2104.09864), halves rotated as in Hugging Face's Llama. @since 0.1 */

#define FST_ROPE_DEFAULT 0 /**< plain frequencies. @since 0.1 */
#define FST_ROPE_LINEAR 1  /**< positions divided by rope_factor. @since 0.1 */
#define FST_ROPE_DYNAMIC 2 /**< NTK-aware base, for the model's context length. @since 0.1 */
#define FST_ROPE_LLAMA3 3  /**< Llama 3.1's bands of frequencies. @since 0.1 */
#define FST_ROPE_YARN 4    /**< YaRN (arXiv 2309.00071). @since 0.1 */

#define FST_NORM_LAYER 0 /**< LayerNorm (arXiv 1607.06450). @since 0.1 */
#define FST_NORM_RMS 1   /**< RMSNorm (arXiv 1910.07467). @since 0.1 */

#define FST_ACTIVATION_GELU_TANH 1 /**< GELU in its tanh form (arXiv 1606.08415). @since 0.1 */
#define FST_ACTIVATION_GELU 2      /**< GELU with the error function. @since 0.1 */
#define FST_ACTIVATION_SILU 3      /**< x·sigmoid(x). @since 0.1 */
#define FST_ACTIVATION_RELU 4      /**< max(x, 0). @since 0.1 */
#define FST_ACTIVATION_TANH 5      /**< tanh x. @since 0.1 */

/** The architecture of a model. Fill with fst_model_config_init, which gives FST_FAMILY_GPT2's
 *  switches and small sizes. @since 0.1 */
typedef struct fst_model_config {
    size_t struct_size;      /**< set by fst_model_config_init */
    int32_t family;          /**< FST_FAMILY_ value: the naming used when saved; the switches below decide what is computed */
    int32_t vocabulary_size; /**< V, ≥ 1 */
    int32_t context_length;  /**< most positions of a sequence, ≥ 1 */
    int32_t layers;          /**< blocks, ≥ 1 */
    int32_t width;           /**< C, features of the residual stream */
    int32_t heads;           /**< H, query heads; divides width unless head_size is given */
    int32_t kv_heads;        /**< key and value heads, divides heads; 0: as heads */
    int32_t head_size;       /**< D; 0: width / heads */
    int32_t hidden_size;     /**< features inside the MLP; 0: 4·width */
    int32_t position;        /**< FST_POSITION_ value */
    int32_t norm;            /**< FST_NORM_ value */
    int32_t activation;      /**< FST_ACTIVATION_ value */
    int32_t gated;           /**< 1: MLP is down(act(gate(x))·up(x)), as SwiGLU; 0: down(act(up(x))) */
    int32_t attention_bias;  /**< 1: biases on queries, keys, values */
    int32_t output_bias;     /**< 1: bias on the attention's output projection */
    int32_t mlp_bias;        /**< 1: biases in the MLP */
    int32_t norm_bias;       /**< 1: LayerNorm has a bias; ignored for RMSNorm */
    int32_t qk_norm;         /**< 1: RMSNorm over each query and key head before rotation */
    int32_t tied;            /**< 1: the output head is the token embedding */
    int32_t window;          /**< a token attends to at most this many tokens, itself included; 0: all before it */
    double norm_epsilon;     /**< inside the square root; default 1e-5 */
    double rope_theta;       /**< base of the rotary frequencies; default 10000 */
    int32_t rope_scaling;    /**< FST_ROPE_ value */
    int32_t rope_original_context; /**< context the frequencies were trained for; 0: context_length */
    double rope_factor;      /**< default 1 */
    double rope_low_frequency_factor;  /**< Llama 3, default 1 */
    double rope_high_frequency_factor; /**< Llama 3, default 4 */
    double rope_attention_factor;      /**< YaRN; 0: 0.1·ln(factor) + 1 */
    double rope_beta_fast;   /**< YaRN, default 32 */
    double rope_beta_slow;   /**< YaRN, default 1 */
    double dropout;          /**< on embeddings and on each branch before it joins the stream; default 0 */
    double attention_dropout; /**< on attention probabilities; default 0 */
    double init_std;         /**< standard deviation of initial weights; residual projections get init_std / √(2·layers), as GPT-2, unless post_norm; default 0.02 */
    int64_t bos_id;          /**< -1: none */
    int64_t eos_id;          /**< -1: none */
    int32_t causal;          /**< 1 (default): a token attends to those before it and to itself; 0: to all of its document, as in an encoder, which cannot generate */
    int32_t post_norm;       /**< 1: x = norm(x + f(x)) and no last norm, as BERT (arXiv 1810.04805); 0: x + f(norm(x)) */
    int32_t token_types;     /**< rows of the table of token types (segments) added to the embedding; 0: none */
    int32_t embedding_norm;  /**< 1: a norm over the summed embeddings, before dropout */
    int32_t position_offset; /**< row of the position table that position 0 reads (RoBERTa: 2); the table has context_length + position_offset rows */
    int32_t head_transform;  /**< 1: logits are of norm(act(W·h + b)), BERT's masked-LM head; b where mlp_bias is */
    int32_t head_bias;       /**< 1: a bias on the logits */
    int32_t pooler;          /**< 1: tanh(W·h + b) of each row's first token, the output "pooled", which heads with FST_POOL_POOLER read */
    int32_t global_every;    /**< with a window in an encoder: layers 0, n, 2n … see everything; 0: the window holds in all. There a window is centred: |i − j| ≤ window / 2 */
    int32_t first_norm_free; /**< 1: layer 0 has no attention norm, as ModernBERT after its embedding norm */
    double local_rope_theta; /**< base of the rotary frequencies, which are not scaled there, of an encoder's layers with a window; 0: as the other layers */
    int32_t backbone;        /**< FST_BACKBONE_ value; what belongs to another backbone is ignored */
    int32_t image_channels;  /**< of images; 0 for text, as the two below */
    int32_t image_height;    /**< pixels */
    int32_t image_width;     /**< pixels */
    int32_t patch_size;      /**< ViT: side of a patch; divides height and width */
    int32_t stem;            /**< ResNet: FST_STEM_ value */
    int32_t bottleneck;      /**< ResNet: 1: blocks of 1×1, 3×3, 1×1 that widen fourfold; 0: of two 3×3 */
    int32_t blocks_1;        /**< ResNet: blocks of the first stage */
    int32_t blocks_2;        /**< of the second, which halves the image and doubles the channels; 0: no more stages */
    int32_t blocks_3;        /**< of the third, likewise */
    int32_t blocks_4;        /**< of the fourth, likewise */
    int32_t stage_width;     /**< ResNet: channels of the first stage; width follows: that of the last */
    double batch_norm_momentum; /**< share of the batch in the running statistics; default 0.1 */
    int64_t pad_id;          /**< the tokenizer's padding, for config.json; nothing here reads it. -1: none */
    int32_t inputs;          /**< MLP: features of an observation, ≥ 1. Transformer: > 0: positions are vectors of that many features (fst_batch.observations) through a linear map instead of token ids; no vocabulary, no logits */
    int32_t towers;          /**< MLP, CNN: 2: two trunks beside each other over the same input, an actor's and a critic's; 0 (default) and 1: one. width follows: towers · tower_width, tower t in the columns from t · tower_width of "hidden" */
    int32_t tower_width;     /**< MLP: features of each of a tower's layers, of which there are `layers`, 1 to 8; CNN: of its linear layer */
    int32_t cnn;             /**< CNN: FST_CNN_ value; all activations are ReLU */
    double orthogonal_gain;  /**< MLP, CNN: > 0: the weights begin orthogonal (Saxe et al., arXiv 1312.6120, as torch.nn.init.orthogonal_) times this gain; 0 (default): normal with init_std. Biases begin at 0 */
} fst_model_config;

/** Fills the config with defaults. @param config to fill. @param size sizeof *config.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_model_config_init(fst_model_config *config, size_t size);

/** Sets the switches (not the sizes) of a family, its backbone among them. @param config filled by fst_model_config_init.
 *  @param family FST_FAMILY_ value. @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_model_config_set_family(fst_model_config *config, int32_t family);

/** How a model is held in memory, apart from its architecture. @since 0.1 */
typedef struct fst_model_options {
    size_t struct_size;    /**< set by fst_model_options_init */
    int32_t dtype;         /**< FST_F32 (default) or FST_BF16: bfloat16 working weights and activations over float32 master weights, gradients and residual stream */
    int32_t checkpointing; /**< 1: keep only each block's input and compute the block again in backward; default 0 */
} fst_model_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_model_options_init(fst_model_options *options, size_t size);

/**
 * Creates a model with fresh weights, drawn from the context's seed as GPT-2 initialises.
 *
 * An MLP's parameters are "towers.T.layers.I.weight" [tower_width, inputs or tower_width] and ".bias", a
 * CNN's "towers.T.convolutions.I.weight" [filters, side·side·channels], the channel fastest,
 * "towers.T.linear.weight" [tower_width, places·64], likewise, and their biases. Both are float32 alone. A
 * row's outputs of an MLP, and of its heads that are linear, have the same bits whatever the number of
 * rows.
 *
 * @param context kept alive by the model.
 * @param config the architecture.
 * @param options NULL for defaults.
 * @param model out: the caller owns it.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT (the text names the field), FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_model_create(fst_context *context, const fst_model_config *config,
                                    const fst_model_options *options, fst_model **model);

/**
 * Loads a Hugging Face directory: config.json and model.safetensors, or shards with their index.
 * GPT2LMHeadModel, LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM; and of
 * encoders BertModel, RobertaModel, XLMRobertaModel, ModernBertModel and their ForMaskedLM,
 * ForSequenceClassification and ForTokenClassification, BertForPreTraining. A classifier is the head
 * "classifier", with the labels of id2label; the next sentence's "seq_relationship". A pooler and a
 * masked-LM head are there where the file has them. Other heads come from heads.safetensors, where
 * fst_model_save wrote one. What modules.json of sentence-transformers says is kept for
 * fst_model_get_sentence.
 *
 * @param context kept alive by the model.
 * @param directory path in the file system's own bytes.
 * @param options NULL for defaults.
 * @param model out: the caller owns it.
 * @return FST_OK, FST_ERR_IO, FST_ERR_FORMAT, FST_ERR_UNSUPPORTED (the text names the field),
 *         FST_ERR_NOT_FOUND (a tensor is missing), FST_ERR_MISMATCH (a shape differs),
 *         FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_model_load(fst_context *context, const char *directory,
                                  const fst_model_options *options, fst_model **model);

/**
 * Saves a Hugging Face directory: config.json, model.safetensors (float32) and, if a tokenizer is
 * given, tokenizer.json; heads go into a file of their own beside them, heads.safetensors: tensors
 * by the parameters' names, and in the metadata under "heads" a JSON array of their options. Files
 * that exist are replaced whole or not at all. An encoder is saved as the class that its heads make
 * it, which transformers loads without a tensor missing or left over: with a head "classifier" as
 * …ForTokenClassification where it is of kind FST_HEAD_TOKEN, as …ForSequenceClassification where it
 * reads FST_POOL_POOLER (BERT), or the first token through one hidden layer of the model's width with
 * FST_ACTIVATION_TANH (RoBERTa) or with a LayerNorm (ModernBERT, all its heads); else as …ForMaskedLM
 * with head_transform; else as …Model. What that class lacks goes into heads.safetensors. Of a model that says how embeddings
 * are made modules.json is written beside it, otherwise removed. Of a model with an
 * adapter this is the trunk alone; see fst_model_save_adapter and fst_model_merge_adapter.
 *
 * @param model the model.
 * @param tokenizer NULL: none.
 * @param directory created if missing (its parent must exist).
 * @return FST_OK, FST_ERR_UNSUPPORTED (a switch that the family's class cannot have: the text names
 *         it), FST_ERR_IO, FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_model_save(const fst_model *model, const fst_tokenizer *tokenizer,
                                  const char *directory);

/** Gives up the caller's hold. @param model may be NULL. @since 0.1 */
FST_API void fst_model_destroy(fst_model *model);

/**
 * A copy that shares nothing with the model: its weights, heads and adapter, and what of them is
 * frozen; not its gradients. A frozen reference, or the trunk of another stage.
 *
 * @param model the model.
 * @param options NULL for the model's own; another dtype is made from the float32 master weights.
 * @param copy out: the caller owns it; of the same context.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_model_copy(const fst_model *model, const fst_model_options *options,
                                  fst_model **copy);

/**
 * Overwrites all weights with those of another model of the same architecture, heads and adapter.
 *
 * @param model the model whose weights change; an optimizer of it may live.
 * @param from read; may be of another dtype.
 * @return FST_OK, FST_ERR_MISMATCH (the text names what differs; nothing has changed),
 *         FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_model_copy_weights(fst_model *model, const fst_model *from);

/** The architecture, with every default resolved. @param model the model. @param config out.
 *  @param size sizeof *config. @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_model_get_config(const fst_model *model, fst_model_config *config, size_t size);

/** Number of named parameters. @param model the model. @param count out. @return FST_OK or
 *  FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_model_parameter_count(const fst_model *model, int64_t *count);

/** Name of a parameter, e.g. "layers.0.attention.qkv.weight". @param model the model.
 *  @param index 0 ≤ index < count. @param name out: borrowed while the model lives.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_model_parameter_name(const fst_model *model, int64_t index, const char **name);

/**
 * A parameter's master weights, float32; matrices are [out, in]. After writing through the view
 * call fst_model_weights_changed.
 *
 * @param model the model.
 * @param name as fst_model_parameter_name gives it.
 * @param view out: borrowed while the model lives.
 * @return FST_OK, FST_ERR_NOT_FOUND, FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_model_parameter(fst_model *model, const char *name, fst_view *view);

/** A parameter's gradient, float32, of the parameter's shape; backward adds to it. Memory for all
 *  gradients is taken at the first call of this, of backward, or of fst_optimizer_create.
 *  @param model the model. @param name the parameter. @param view out: borrowed while the model
 *  lives and nothing is added to it, removed, frozen or thawed. @return FST_OK, FST_ERR_NOT_FOUND,
 *  FST_ERR_STATE (the parameter is frozen), FST_ERR_NO_MEMORY, FST_ERR_INVALID_ARGUMENT.
 *  @since 0.1 */
FST_API fst_status fst_model_gradient(fst_model *model, const char *name, fst_view *view);

/** Tells that weights were written through a view: refreshes the bfloat16 working copies.
 *  @param model the model. @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_model_weights_changed(fst_model *model);

#define FST_HEAD_SEQUENCE 0 /**< one row of outputs for each sequence, of its pooled hidden state. @since 0.1 */
#define FST_HEAD_TOKEN 1    /**< one row of outputs for each position. @since 0.1 */

#define FST_HEAD_CONSTANT 2 /**< K outputs that depend on no input, [1, K]: the parameter "heads.NAME.bias" alone, as the log σ of a Gaussian policy. @since 0.1 */

#define FST_POOL_LAST 0  /**< the last token that counts (fst_batch.lengths). @since 0.1 */
#define FST_POOL_FIRST 1 /**< the first token. @since 0.1 */
#define FST_POOL_MEAN 2  /**< the mean over the tokens that count. @since 0.1 */
#define FST_POOL_MAX 3   /**< of each feature the greatest over the tokens that count. @since 0.1 */
#define FST_POOL_POOLER 4 /**< the model's "pooled" output: fst_model_config.pooler. @since 0.1 */

/**
 * A head over the hidden states: linear, or with one or two layers before the linear one,
 * x ← norm(act(W·dropout(x) + b)), as RoBERTa's classifier, ModernBERT's or the projection heads of
 * contrastive learning (SimCLR, arXiv 2002.05709) have. @since 0.1
 */
typedef struct fst_head_options {
    size_t struct_size; /**< set by fst_head_options_init */
    const char *name;   /**< 1 to 31 of a–z, 0–9 and _, not the name of another output; copied */
    int32_t kind;       /**< FST_HEAD_ value; default FST_HEAD_SEQUENCE */
    int32_t pooling;    /**< sequence heads: FST_POOL_ value; default FST_POOL_LAST */
    int64_t outputs;    /**< K ≥ 1; default 1 */
    int32_t bias;       /**< 1 (default): y = W·h + b; 0: no b */
    int32_t reserved;   /**< 0 */
    double init_std;    /**< standard deviation of the initial weights; 0: zeros, as a value head wants; default 0.02 */
    double dropout;     /**< on the input of each of its layers, in training, 0 ≤ p < 1; default 0 */
    int32_t hidden_layers; /**< 0 (default) to 2 layers before the one that gives the outputs */
    int32_t activation;    /**< FST_ACTIVATION_ value behind each hidden layer; 0 (default): FST_ACTIVATION_RELU */
    int64_t hidden_size;   /**< features of a hidden layer; 0 (default): the model's width */
    int32_t batch_norm;    /**< 1: sequence heads: batch norm before each hidden layer's activation and, without gain and bias, behind the last layer, as SimCLR's projection head (arXiv 2002.05709); not with layer_norm; default 0 */
    int32_t hidden_bias;   /**< 1 (default): biases in the hidden layers; 0: none */
    int32_t layer_norm;    /**< 1: LayerNorm behind each hidden layer's activation; default 0 */
    int32_t norm_bias;     /**< 1: it has a bias; default 0 */
    double norm_epsilon;   /**< inside its square root; default 1e-5 */
    int32_t tower;          /**< of a model with towers: 1 or 2: reads that tower's columns alone, and `width` below is tower_width; 0 (default): all of the hidden state */
    int32_t reserved_2;     /**< 0 */
    double orthogonal_gain; /**< > 0: the weights begin orthogonal times this gain (fst_model_config.orthogonal_gain) and init_std is ignored; default 0 */
    double init_bias;       /**< first value of each bias, a log σ for example; default 0 */
} fst_head_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_head_options_init(fst_head_options *options, size_t size);

/**
 * Adds a head, an output of its name, with the parameters "heads.NAME.weight" [K, width] and
 * "heads.NAME.bias" [K]. With hidden layers the weight is [K, hidden_size], and layer I = 0, 1 has
 * "heads.NAME.hidden.I.weight" [hidden_size, width or hidden_size] and ".bias", and with layer_norm
 * "heads.NAME.norm.I.weight" and ".bias" [hidden_size]; with batch_norm these and ".running_mean" and
 * ".running_var", and the latter two [K] for I = hidden_layers. Weights of hidden layers are drawn with
 * init_std too, or with 0.02 where that is 0. Gradients gathered so far are dropped.
 *
 * @param model with less than 16 heads.
 * @param options the name is needed.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field); FST_ERR_STATE while an optimizer of the model lives; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_model_add_head(fst_model *model, const fst_head_options *options);

/** @param model the model. @param count out: its heads. @return FST_OK or FST_ERR_INVALID_ARGUMENT.
 *  @since 0.1 */
FST_API fst_status fst_model_head_count(const fst_model *model, int64_t *count);

/** A head's options. @param model the model. @param index 0 ≤ index < count. @param head out; its
 *  name is borrowed while the model lives. @param size sizeof *head. @return FST_OK or
 *  FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_model_get_head(const fst_model *model, int64_t index, fst_head_options *head,
                                      size_t size);

/**
 * Names what a head's outputs stand for: classes, tags. They are saved with the model (as id2label in
 * config.json where the directory's class has the head) and copied with it.
 *
 * @param model the model. @param head its name.
 * @param labels [count] texts, no two the same; copied. NULL: none.
 * @param count the head's outputs; 0 where labels is NULL.
 * @return FST_OK, FST_ERR_NOT_FOUND (no such head), FST_ERR_INVALID_ARGUMENT, FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_model_set_labels(fst_model *model, const char *head,
                                        const char *const *labels, int64_t count);

/** What an output of a head stands for. @param model the model. @param head its name.
 *  @param index 0 ≤ index < outputs. @param label out: borrowed until the labels change; NULL where
 *  the head has none. @return FST_OK, FST_ERR_NOT_FOUND (no such head) or FST_ERR_INVALID_ARGUMENT.
 *  @since 0.1 */
FST_API fst_status fst_model_get_label(const fst_model *model, const char *head, int64_t index,
                                       const char **label);

/** How a model's hidden states become the embedding of a text. @since 0.1 */
typedef struct fst_sentence_options {
    size_t struct_size; /**< set by fst_sentence_options_init */
    int32_t pooling;    /**< FST_POOL_LAST, FIRST, MEAN (default) or MAX over the tokens that count */
    int32_t normalize;  /**< 1 (default): divided by its Euclidean norm */
    int64_t length;     /**< most tokens of a text, those behind are cut off; 0 (default): the model's context_length */
} fst_sentence_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_sentence_options_init(fst_sentence_options *options, size_t size);

/**
 * How the model's embeddings are made, as the sentence-transformers directory it came from says
 * (modules.json, 1_Pooling/config.json, sentence_bert_config.json), or fst_model_set_sentence.
 *
 * @param model the model. @param options out. @param size sizeof *options.
 * @return FST_OK, FST_ERR_NOT_FOUND (the model says nothing), FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_model_get_sentence(const fst_model *model, fst_sentence_options *options,
                                          size_t size);

/** Says how the model's embeddings are made; fst_model_save writes it as sentence-transformers does,
 *  copies of the model have it too. @param model the model. @param options NULL: nothing is said.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT (the text names the field). @since 0.1 */
FST_API fst_status fst_model_set_sentence(fst_model *model, const fst_sentence_options *options);

/** Sets all gradients to zero. @param model the model. @return FST_OK, FST_ERR_NO_MEMORY or
 *  FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_model_zero_gradients(fst_model *model);

/**
 * Freezes or thaws parameters. A frozen one has no gradient, and an optimizer made later leaves it
 * alone; backward goes down no further than the lowest layer that has something to train. Ends
 * what the model held for a backward and drops the gradients gathered so far.
 *
 * @param model the model. Parameters are trainable when they are made; while a model has an adapter
 *        its trunk is frozen.
 * @param pattern of names, in which * stands for any text and ? for one character: "layers.0.*".
 * @param trainable 1 or 0.
 * @return FST_OK, FST_ERR_NOT_FOUND (no name matches), FST_ERR_STATE (an optimizer of the model
 *         lives), FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_model_set_trainable(fst_model *model, const char *pattern, int32_t trainable);

#define FST_FORWARD_EVALUATE 0 /**< no dropout, nothing kept for backward. @since 0.1 */
#define FST_FORWARD_TRAIN 1    /**< dropout, activations kept for backward. @since 0.1 */

/** Options of fst_model_forward. @since 0.1 */
typedef struct fst_forward_options {
    size_t struct_size; /**< set by fst_forward_options_init */
    int32_t mode;       /**< FST_FORWARD_ value; default FST_FORWARD_TRAIN */
    int32_t dropout;    /**< 1 (default): dropout as configured, in training; 0: none, though activations are kept for backward */
    int64_t step;       /**< number of the draw of dropout masks: the same step gives the same masks; default 0 */
    double temperature; /**< > 0: logits are divided by it in losses, log-probabilities and entropies ("logits" are not); default 1 */
} fst_forward_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_forward_options_init(fst_forward_options *options, size_t size);

/**
 * Plans and takes the memory of a step of this shape, so that steps of this shape or smaller ones
 * allocate nothing.
 *
 * @param model the model.
 * @param rows sequences. @param length positions of each.
 * @param mode FST_FORWARD_ value; training includes gradients.
 * @param bytes out: bytes of activations and scratch; NULL: not wanted.
 * @return FST_OK, FST_ERR_NO_MEMORY, FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_model_reserve(fst_model *model, int64_t rows, int64_t length, int32_t mode,
                                     int64_t *bytes);

/**
 * Runs the backbone.
 *
 * @param model the model.
 * @param batch ids and, for a later fst_model_loss, targets; everything is copied.
 * @param options NULL for defaults.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT (an id ≥ vocabulary: the text names row and position),
 *         FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_model_forward(fst_model *model, const fst_batch *batch,
                                     const fst_forward_options *options);

/**
 * A named output of the last forward, float32, computed when asked for:
 *
 * - "hidden" [rows, length, width], after the last norm;
 * - "logits" [rows, length, vocabulary];
 * - "log_probabilities" [rows, length]: log p of the batch's targets at the forward's temperature, 0
 *   where ignored; and "entropy" [rows, length] of that distribution, likewise. Both come from one
 *   pass by row blocks that never holds all logits; asking for the second costs nothing more. The
 *   same batch gives the same bits in either mode, unless dropout is on;
 * - "pooled" [rows, width], of a model with a pooler;
 * - a head's name: [rows, outputs] of a sequence head, [rows, length, outputs] of a token head,
 *   [1, outputs] of a constant one.
 *
 * @param model the model.
 * @param name of the output.
 * @param view out: borrowed until the next forward, or the next time this output is asked for; only
 *        before the forward's backward.
 * @return FST_OK, FST_ERR_NOT_FOUND, FST_ERR_STATE (no forward yet, or no targets for
 *         "log_probabilities"), FST_ERR_NUMERIC (a log-probability or entropy is not finite: the text
 *         names row and position), FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_model_output(fst_model *model, const char *name, fst_view *view);

/** Options of fst_model_loss. @since 0.1 */
typedef struct fst_loss_options {
    size_t struct_size;     /**< set by fst_loss_options_init */
    double scale;           /**< the gradient is that of scale · Σ loss; 0 (default): 1 / Σ weights, the mean over this batch. For accumulation pass 1 / tokens of all micro-batches */
    double label_smoothing; /**< default 0 */
    double z_loss;          /**< coefficient of logsumexp², as PaLM (arXiv 2204.02311); default 0 */
} fst_loss_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_loss_options_init(fst_loss_options *options, size_t size);

/** What fst_model_loss found. @since 0.1 */
typedef struct fst_loss {
    size_t struct_size; /**< size the caller passed */
    double loss;        /**< Σ weight · cross entropy in nats, label smoothing included */
    double z_loss;      /**< Σ weight · z_loss · logsumexp² */
    double weight;      /**< Σ weights of the targets that count */
    int64_t tokens;     /**< targets that count */
    int64_t correct;    /**< targets that are the largest logit */
} fst_loss;

/**
 * Cross entropy of the batch's targets, by row blocks that never hold all logits. After a training
 * forward it also prepares the backward and adds the head's gradient.
 *
 * @param model after fst_model_forward of a batch with targets.
 * @param options NULL for defaults.
 * @param loss out. @param size sizeof *loss.
 * @return FST_OK, FST_ERR_STATE, FST_ERR_NUMERIC (the loss is not finite; no gradient was added
 *         beyond the head's), FST_ERR_INVALID_ARGUMENT, FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_model_loss(fst_model *model, const fst_loss_options *options, fst_loss *loss,
                                  size_t size);

/**
 * Adds to what fst_model_backward will start from: the gradient of the caller's own objective with
 * respect to an output. Any number of calls for any outputs, also beside fst_model_loss. For
 * "log_probabilities" and "entropy" the head's product is done once more, by row blocks.
 *
 * @param model after fst_model_forward in training mode, before its backward.
 * @param output as fst_model_output.
 * @param gradient float32, of the output's shape, any strides; copied.
 * @return FST_OK, FST_ERR_STATE, FST_ERR_MISMATCH, FST_ERR_NOT_FOUND, FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_model_add_gradient(fst_model *model, const char *output,
                                          const fst_view *gradient);

/**
 * Adds the gradients of all parameters that are not frozen. Once per forward. It goes down no further
 * than to the lowest layer that has something to train.
 *
 * @param model after fst_model_loss or fst_model_add_gradient (output NULL: the sum of all of these),
 *        or after fst_model_forward in training mode.
 * @param output NULL; or an output, which is fst_model_add_gradient and then this.
 * @param gradient with output: as fst_model_add_gradient; else NULL.
 * @return FST_OK, FST_ERR_STATE, FST_ERR_MISMATCH, FST_ERR_NOT_FOUND, FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_model_backward(fst_model *model, const char *output, const fst_view *gradient);

#ifdef __cplusplus
}
#endif

#endif
