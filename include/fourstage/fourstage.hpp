/*
 * C++ over the C interface: handles that destroy themselves, statuses that are thrown.
 *
 *     fourstage::context context;
 *     fourstage::check(fst_context_create(nullptr, fourstage::out(context)));
 *     fst_context_get_info(context.get(), &info, sizeof info);
 *
 * Only this header knows C++; nothing of it is in the library. A callback must not throw: catch,
 * return a negative value, and throw when the call has returned it.
 */
#ifndef FOURSTAGE_FOURSTAGE_HPP
#define FOURSTAGE_FOURSTAGE_HPP

#include "fourstage/fourstage.h"

#include <memory>
#include <stdexcept>
#include <string>

namespace fourstage {

/** A call that failed; what() is the library's text. @since 0.1 */
class error : public std::runtime_error {
public:
    explicit error(fst_status status)
        : std::runtime_error(std::string(fst_status_name(status)) + ": " + fst_last_error()),
          status_(status)
    {
    }
    fst_status status() const noexcept { return status_; }

private:
    fst_status status_;
};

/** Throws for an error; gives FST_OK or FST_STOPPED back. @since 0.1 */
inline fst_status check(fst_status status)
{
    if (status < 0)
        throw error(status);
    return status;
}

/** Deleter of all handles. @since 0.1 */
struct destroy {
    void operator()(fst_context *handle) const noexcept { fst_context_destroy(handle); }
    void operator()(fst_tokenizer *handle) const noexcept { fst_tokenizer_destroy(handle); }
    void operator()(fst_dataset *handle) const noexcept { fst_dataset_destroy(handle); }
    void operator()(fst_entities *handle) const noexcept { fst_entities_destroy(handle); }
    void operator()(fst_model *handle) const noexcept { fst_model_destroy(handle); }
    void operator()(fst_optimizer *handle) const noexcept { fst_optimizer_destroy(handle); }
    void operator()(fst_policy *handle) const noexcept { fst_policy_destroy(handle); }
    void operator()(fst_reward_model *handle) const noexcept { fst_reward_model_destroy(handle); }
    void operator()(fst_env *handle) const noexcept { fst_env_destroy(handle); }
    void operator()(fst_run *handle) const noexcept { fst_run_destroy(handle); }
};

template <class T> using handle = std::unique_ptr<T, destroy>;
using context = handle<fst_context>;
using tokenizer = handle<fst_tokenizer>;
using dataset = handle<fst_dataset>;
using entities = handle<fst_entities>;
using model = handle<fst_model>;
using optimizer = handle<fst_optimizer>;
using policy = handle<fst_policy>;
using reward_model = handle<fst_reward_model>;
using env = handle<fst_env>;
using run = handle<fst_run>;

/** For the out-pointer of a call: what it creates is in the handle when the statement ends, and what
 *  the handle held before is destroyed. @since 0.1 */
template <class T> class out_pointer {
public:
    explicit out_pointer(handle<T> &target) noexcept : target_(target) {}
    out_pointer(const out_pointer &) = delete;
    out_pointer &operator=(const out_pointer &) = delete;
    ~out_pointer()
    {
        if (made_)
            target_.reset(made_);
    }
    operator T **() noexcept { return &made_; }

private:
    handle<T> &target_;
    T *made_ = nullptr;
};

template <class T> out_pointer<T> out(handle<T> &target) noexcept
{
    return out_pointer<T>(target);
}

/** An options struct with its defaults: options(fst_run_options_init). @since 0.1 */
template <class T> T options(fst_status (*init)(T *, size_t))
{
    T filled;
    check(init(&filled, sizeof filled));
    return filled;
}

} // namespace fourstage

#endif
