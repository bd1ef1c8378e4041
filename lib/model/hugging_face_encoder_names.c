/* Which tensor of a BERT, RoBERTa or ModernBERT directory holds which parameter. */
#include "model/hugging_face_encoder.h"

#include "model/heads.h"
#include "model/hugging_face_listing.h"

static fst__parameter *named(const fst_model *model, const char *name)
{
    return fst__parameters_find(&model->parameters, name);
}

/* From `first` on: not of this class. */
static void set_aside(fst__listing *to, int64_t first, bool aside)
{
    for (int64_t i = first; i < to->count; ++i)
        to->pieces[i].aside = aside;
}

/* modeling_bert.py, modeling_roberta.py: the same but for what the backbone is called. */
static void list_layers(fst__listing *to, const fst_model *model, bool roberta)
{
#define NAME(end) (roberta ? "roberta." end : "bert." end)
#define ATTENTION(end) NAME("encoder.layer.#.attention." end)
    const char *const weights[] = {ATTENTION("self.query.weight"), ATTENTION("self.key.weight"),
                                   ATTENTION("self.value.weight")};
    const char *const biases[] = {ATTENTION("self.query.bias"), ATTENTION("self.key.bias"),
                                  ATTENTION("self.value.bias")};
    for (int32_t i = 0; i < model->config.layers; ++i) {
        const fst__layer *l = &model->parameters.layers[i];
        fst__list_qkv(to, i, &model->config, weights, l->qkv_weight);
        fst__list_qkv(to, i, &model->config, biases, l->qkv_bias);
        fst__list_whole(to, ATTENTION("output.dense.weight"), i, l->output_weight);
        fst__list_whole(to, ATTENTION("output.dense.bias"), i, l->output_bias);
        fst__list_whole(to, ATTENTION("output.LayerNorm.weight"), i, l->attention_norm_weight);
        fst__list_whole(to, ATTENTION("output.LayerNorm.bias"), i, l->attention_norm_bias);
        fst__list_whole(to, NAME("encoder.layer.#.intermediate.dense.weight"), i, l->up_weight);
        fst__list_whole(to, NAME("encoder.layer.#.intermediate.dense.bias"), i, l->up_bias);
        fst__list_whole(to, NAME("encoder.layer.#.output.dense.weight"), i, l->down_weight);
        fst__list_whole(to, NAME("encoder.layer.#.output.dense.bias"), i, l->down_bias);
        fst__list_whole(to, NAME("encoder.layer.#.output.LayerNorm.weight"), i, l->mlp_norm_weight);
        fst__list_whole(to, NAME("encoder.layer.#.output.LayerNorm.bias"), i, l->mlp_norm_bias);
    }
#undef ATTENTION
}

static void list_bert(fst__listing *to, const fst_model *model, bool roberta, bool with_pooler)
{
    const fst__parameters *p = &model->parameters;
    int64_t width = model->config.width;
    fst__list_whole(to, NAME("embeddings.word_embeddings.weight"), 0, p->token_embedding);
    fst__list_whole(to, NAME("embeddings.position_embeddings.weight"), 0, p->position_embedding);
    fst__list_whole(to, NAME("embeddings.token_type_embeddings.weight"), 0,
                    named(model, "embedding.types.weight"));
    fst__list_whole(to, NAME("embeddings.LayerNorm.weight"), 0,
                    named(model, "embedding.norm.weight"));
    fst__list_whole(to, NAME("embeddings.LayerNorm.bias"), 0, named(model, "embedding.norm.bias"));
    list_layers(to, model, roberta);
    int64_t before = to->count;
    fst__parameter *weight = named(model, "pooler.weight");
    if (!weight && !with_pooler)
        return;
    fst__list_or_zeros(to, NAME("pooler.dense.weight"), 0, weight, width, width);
    fst__list_or_zeros(to, NAME("pooler.dense.bias"), 0, named(model, "pooler.bias"), width, 0);
    set_aside(to, before, !with_pooler);
}
#undef NAME

static void list_bert_masked(fst__listing *to, const fst_model *model, bool roberta, bool aside)
{
    int64_t before = to->count;
    bool untied = !model->config.tied;
#define NAME(bert, other) (roberta ? "lm_head." other : "cls.predictions." bert)
    fst__list_whole(to, NAME("transform.dense.weight", "dense.weight"), 0,
                    named(model, "head.transform.weight"));
    fst__list_whole(to, NAME("transform.dense.bias", "dense.bias"), 0,
                    named(model, "head.transform.bias"));
    fst__list_whole(to, NAME("transform.LayerNorm.weight", "layer_norm.weight"), 0,
                    named(model, "head.norm.weight"));
    fst__list_whole(to, NAME("transform.LayerNorm.bias", "layer_norm.bias"), 0,
                    named(model, "head.norm.bias"));
    fst__list_whole(to, NAME("bias", "bias"), 0, named(model, "head.bias"));
    /* Where weights are not tied the two biases are not either, and the product's is the decoder's. */
    if (untied && !aside)
        fst__list_whole(to, NAME("decoder.bias", "decoder.bias"), 0, named(model, "head.bias"));
    if (untied)
        fst__list_whole(to, NAME("decoder.weight", "decoder.weight"), 0,
                        named(model, "head.weight"));
#undef NAME
    set_aside(to, before, aside);
}

static void list_bert_head(fst__listing *to, const fst_model *model, fst__encoder_class class)
{
    const fst__head *head = class.head;
    bool pair = class.kind == FST__ENCODER_PRETRAINING;
    if (head && head->options.hidden_layers) {
        fst__list_whole(to, "classifier.dense.weight", 0,
                        fst__head_parameter(model, head, "hidden.0.weight"));
        fst__list_whole(to, "classifier.dense.bias", 0,
                        fst__head_parameter(model, head, "hidden.0.bias"));
        fst__list_whole(to, "classifier.out_proj.weight", 0, fst__head_weight(model, head));
        fst__list_whole(to, "classifier.out_proj.bias", 0, fst__head_bias(model, head));
    } else if (head) {
        fst__list_whole(to, pair ? "cls.seq_relationship.weight" : "classifier.weight", 0,
                        fst__head_weight(model, head));
        fst__list_whole(to, pair ? "cls.seq_relationship.bias" : "classifier.bias", 0,
                        fst__head_bias(model, head));
    }
}

/* modeling_modernbert.py: queries, keys and values in one matrix, as here, and the MLP's activated
 * half first, as here. */
static void list_modernbert(fst__listing *to, const fst_model *model)
{
    const fst__parameters *p = &model->parameters;
    fst__list_whole(to, "model.embeddings.tok_embeddings.weight", 0, p->token_embedding);
    fst__list_whole(to, "model.embeddings.norm.weight", 0, named(model, "embedding.norm.weight"));
    fst__list_whole(to, "model.embeddings.norm.bias", 0, named(model, "embedding.norm.bias"));
    for (int32_t i = 0; i < model->config.layers; ++i) {
        const fst__layer *l = &p->layers[i];
        fst__list_whole(to, "model.layers.#.attn_norm.weight", i, l->attention_norm_weight);
        fst__list_whole(to, "model.layers.#.attn_norm.bias", i, l->attention_norm_bias);
        fst__list_whole(to, "model.layers.#.attn.Wqkv.weight", i, l->qkv_weight);
        fst__list_whole(to, "model.layers.#.attn.Wqkv.bias", i, l->qkv_bias);
        fst__list_whole(to, "model.layers.#.attn.Wo.weight", i, l->output_weight);
        fst__list_whole(to, "model.layers.#.attn.Wo.bias", i, l->output_bias);
        fst__list_whole(to, "model.layers.#.mlp_norm.weight", i, l->mlp_norm_weight);
        fst__list_whole(to, "model.layers.#.mlp_norm.bias", i, l->mlp_norm_bias);
        fst__list_whole(to, "model.layers.#.mlp.Wi.weight", i, l->up_weight);
        fst__list_whole(to, "model.layers.#.mlp.Wi.bias", i, l->up_bias);
        fst__list_whole(to, "model.layers.#.mlp.Wo.weight", i, l->down_weight);
        fst__list_whole(to, "model.layers.#.mlp.Wo.bias", i, l->down_bias);
    }
    fst__list_whole(to, "model.final_norm.weight", 0, p->norm_weight);
    fst__list_whole(to, "model.final_norm.bias", 0, p->norm_bias);
}

static void list_modernbert_heads(fst__listing *to, const fst_model *model,
                                  fst__encoder_class class)
{
    int64_t before = to->count;
    fst__list_whole(to, "head.dense.weight", 0, named(model, "head.transform.weight"));
    fst__list_whole(to, "head.dense.bias", 0, named(model, "head.transform.bias"));
    fst__list_whole(to, "head.norm.weight", 0, named(model, "head.norm.weight"));
    fst__list_whole(to, "head.norm.bias", 0, named(model, "head.norm.bias"));
    fst__list_whole(to, "decoder.bias", 0, named(model, "head.bias"));
    if (!model->config.tied)
        fst__list_whole(to, "decoder.weight", 0, named(model, "head.weight"));
    set_aside(to, before, class.kind != FST__ENCODER_MASKED);
    const fst__head *head = class.head;
    if (!head)
        return;
    fst__list_whole(to, "head.dense.weight", 0,
                    fst__head_parameter(model, head, "hidden.0.weight"));
    fst__list_whole(to, "head.dense.bias", 0, fst__head_parameter(model, head, "hidden.0.bias"));
    fst__list_whole(to, "head.norm.weight", 0, fst__head_parameter(model, head, "norm.0.weight"));
    fst__list_whole(to, "head.norm.bias", 0, fst__head_parameter(model, head, "norm.0.bias"));
    fst__list_whole(to, "classifier.weight", 0, fst__head_weight(model, head));
    fst__list_whole(to, "classifier.bias", 0, fst__head_bias(model, head));
}

int64_t fst__encoder_list_pieces(const fst_model *model, fst__piece *pieces)
{
    fst__listing all = {.pieces = pieces};
    fst__encoder_class class = fst__encoder_class_of(model);
    bool roberta = model->config.family == FST_FAMILY_ROBERTA;
    bool masked = class.kind == FST__ENCODER_MASKED || class.kind == FST__ENCODER_PRETRAINING;
    /* modeling_roberta.py: only the bare model has a pooler; modeling_bert.py: also where the next
     * sentence or a sequence's class is read off it. */
    bool with_pooler = class.kind == FST__ENCODER_MODEL ||
                       (!roberta && (class.kind == FST__ENCODER_SEQUENCE ||
                                     class.kind == FST__ENCODER_PRETRAINING));
    if (model->config.family == FST_FAMILY_MODERNBERT) {
        list_modernbert(&all, model);
        list_modernbert_heads(&all, model, class);
        return all.count;
    }
    list_bert(&all, model, roberta, with_pooler);
    list_bert_masked(&all, model, roberta, !masked);
    list_bert_head(&all, model, class);
    return all.count;
}
