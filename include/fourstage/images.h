/*
 * Datasets of images, and their augmentation.
 *
 * Such a dataset is an fst_dataset of kind FST_EXAMPLES_IMAGES: images of one size, [channels, height,
 * width] each, as bytes or as floats, with labels or without. fst_dataset_split and fst_dataset_select
 * take whole images, fst_dataset_order says which ones a step of training sees, fst_dataset_get_info
 * counts no documents. Functions that read ids answer FST_ERR_STATE.
 *
 * A value is between 0 and 1: a byte is divided by 255. What augmentation does is what torchvision's
 * transforms of the same names do to tensors of floats.
 *
 * Threads: as in dataset.h; all functions that take a const dataset may run together on one handle.
 */
#ifndef FOURSTAGE_IMAGES_H
#define FOURSTAGE_IMAGES_H

#include "fourstage/context.h"
#include "fourstage/dataset.h"
#include "fourstage/examples.h"
#include "fourstage/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FST_PIXELS_U8 0  /**< uint8_t, 0 … 255. @since 0.1 */
#define FST_PIXELS_F32 1 /**< float, read as it is: 0 … 1 where augmentation shall mean what it says. @since 0.1 */

/** How images become a dataset. @since 0.1 */
typedef struct fst_image_options {
    size_t struct_size;     /**< set by fst_image_options_init */
    int32_t type;           /**< arrays: FST_PIXELS_ value; default FST_PIXELS_U8 */
    int32_t copy;           /**< arrays: 1: copied during the call; 0 (default): borrowed until release is called, unless they are converted */
    /** Arrays: called once, from whichever thread lets go of the pixels last, or before the call returns where
     *  they were copied; NULL (default): the caller keeps them until every handle made from this
     *  dataset is destroyed. Not called when the call fails. */
    void (*release)(void *user);
    void *release_user;     /**< handed to release */
    /** 1: grey, 0.2989·R + 0.587·G + 0.114·B of colours; 3: colours, of grey three times the same; 0
     *  (default): as they are; of a folder as the first file */
    int32_t channels;
    int32_t height;         /**< resized to this height and width, bilinear and antialiased; 0 (default), both: as they are, and in a folder all of one size */
    int32_t width;          /**< see height */
    int32_t reserved;       /**< 0 */
    int64_t maximum_images; /**< stop after so many, in a folder so many of each class; 0 (default): all */
    const double *mean;     /**< [channels] taken off whenever images are read; copied; NULL (default): 0. Needs std */
    const double *std;      /**< [channels] by which they are then divided, > 0; copied; NULL (default): 1. Needs mean */
    const char *const *class_names; /**< [class_count] arrays and IDX: names kept with the dataset; copied; NULL (default): none */
    int64_t class_count;    /**< default 0 */
} fst_image_options;

/** Fills the options with their defaults. @param options to fill. @param size sizeof *options.
 *  @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_image_options_init(fst_image_options *options, size_t size);

/**
 * Makes a dataset of images that the caller has.
 *
 * @param context the context.
 * @param pixels an array of count images of [channels, height, width] numbers of options.type.
 * @param images at least 1.
 * @param channels 1 or 3.
 * @param height 1 … 32768.
 * @param width 1 … 32768.
 * @param labels [images, per_image] finite, or NaN: missing; copied; NULL: none.
 * @param per_image labels of an image, at least 1; not read when labels is NULL.
 * @param options NULL for defaults.
 * @param dataset out: the caller owns it.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT, with the index of the first number refused;
 *         FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_dataset_from_images(fst_context *context, const void *pixels, int64_t images,
                                           int32_t channels, int32_t height, int32_t width,
                                           const float *labels, int64_t per_image,
                                           const fst_image_options *options, fst_dataset **dataset);

/**
 * Reads images and labels from IDX files, the format of MNIST; packed by gzip where the name ends in
 * ".gz". Images: bytes [count, height, width] or [count, channels, height, width], or floats. Labels:
 * whole numbers [count], or floats [count] or [count, label_count].
 *
 * @param context the context.
 * @param images the file of the images.
 * @param labels the file of the labels; NULL: none.
 * @param options NULL for defaults.
 * @param dataset out: the caller owns it.
 * @return FST_OK; FST_ERR_IO, FST_ERR_NOT_FOUND; FST_ERR_FORMAT with file and byte, also where both
 *         files do not count the same; FST_ERR_UNSUPPORTED for .gz where the library was built
 *         without zlib; FST_ERR_INVALID_ARGUMENT; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_dataset_load_idx(fst_context *context, const char *images, const char *labels,
                                        const fst_image_options *options, fst_dataset **dataset);

/**
 * Reads PNG files from a folder with a folder for each class. Classes are numbered by their names in
 * the order of bytes, images of a class stand by theirs; both pass over names that begin with a dot.
 * A folder that has PNG files and no folders gives images without labels. Pixels become grey or
 * colours of 8 bits; where a file has transparency, it is left away.
 *
 * @param context the context.
 * @param folder the folder.
 * @param options NULL for defaults.
 * @param dataset out: the caller owns it.
 * @return FST_OK; FST_ERR_IO, FST_ERR_NOT_FOUND; FST_ERR_FORMAT with the file, also for one of another
 *         size than the first where height is 0; FST_ERR_UNSUPPORTED where the library was built
 *         without libspng; FST_ERR_INVALID_ARGUMENT, also where there is not one image;
 *         FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_dataset_load_image_folder(fst_context *context, const char *folder,
                                                 const fst_image_options *options,
                                                 fst_dataset **dataset);

/** What a dataset of images holds; filled by fst_dataset_get_images_info. @since 0.1 */
typedef struct fst_images_info {
    size_t struct_size;  /**< size the caller passed */
    int64_t images;      /**< images */
    int64_t label_count; /**< labels of each; 0: none */
    int64_t classes;     /**< names of classes that fst_dataset_get_class_name knows; 0: none */
    int32_t channels;    /**< 1 or 3 */
    int32_t height;      /**< pixels */
    int32_t width;       /**< pixels */
    int32_t type;        /**< FST_PIXELS_ value */
} fst_images_info;

/** @param dataset the dataset. @param info out. @param size sizeof *info.
 *  @return FST_OK, FST_ERR_INVALID_ARGUMENT, or FST_ERR_STATE for a dataset of another kind. @since 0.1 */
FST_API fst_status fst_dataset_get_images_info(const fst_dataset *dataset, fst_images_info *info,
                                               size_t size);

/**
 * @param dataset a dataset of images.
 * @param index 0 ≤ index < classes of fst_images_info.
 * @param name out: borrowed while the dataset lives.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_STATE.
 * @since 0.1
 */
FST_API fst_status fst_dataset_get_class_name(const fst_dataset *dataset, int64_t index,
                                              const char **name);

/**
 * Mean and standard deviation (of all values, not of a sample) of each channel over the whole dataset,
 * on the scale from 0 to 1 and before fst_image_options.mean and std.
 *
 * @param dataset a dataset of images.
 * @param mean [channels] overwritten.
 * @param std [channels] overwritten.
 * @return FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_STATE or FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_dataset_measure_images(const fst_dataset *dataset, double *mean, double *std);

/** What is done to an image each time it is read, in this order: shift, rotation, crop, flip, jitter,
 *  grey, blur, then mean and std. What has probability, degrees or pixels 0 is not done. @since 0.1 */
typedef struct fst_augment_options {
    size_t struct_size;       /**< set by fst_augment_options_init */
    int32_t crop;             /**< 1: RandomResizedCrop back to the same size, bilinear and antialiased; default 0 */
    int32_t shift;            /**< RandomCrop with this padding: moved by −shift … shift whole pixels each way; default 0 */
    double crop_least_area;   /**< smallest part of the area, > 0; default 0.08 */
    double crop_most_area;    /**< largest; default 1 */
    double crop_least_ratio;  /**< smallest width / height, > 0; default 3/4 */
    double crop_most_ratio;   /**< largest; default 4/3 */
    double rotation;          /**< RandomRotation: by −rotation … rotation degrees, bilinear; default 0 */
    double fill;              /**< shift, rotation: value of what comes in from outside; default 0 */
    double flip;              /**< probability of RandomHorizontalFlip; default 0 */
    double jitter;            /**< probability of ColorJitter; default 0 */
    double brightness;        /**< jitter: factor from [max(0, 1 − b), 1 + b]; default 0.4 */
    double contrast;          /**< jitter: likewise; default 0.4 */
    double saturation;        /**< jitter: likewise, of colours; default 0.4 */
    double hue;               /**< jitter: part of the circle from [−h, h], h ≤ 0.5, of colours; default 0.1 */
    double grey;              /**< probability of RandomGrayscale, of colours; default 0 */
    double blur;              /**< probability of GaussianBlur; default 0 */
    int32_t blur_kernel;      /**< pixels of its kernel, odd; 0 (default): the odd number at or above height / 10, at least 3 */
    int32_t reserved;         /**< 0 */
    double blur_least_sigma;  /**< pixels, > 0; default 0.1 */
    double blur_most_sigma;   /**< pixels; default 2 */
    const double *mean;       /**< [channels] instead of fst_image_options.mean; NULL (default): that of the dataset. Needs std */
    const double *std;        /**< [channels] likewise, > 0 */
    int64_t channel_count;    /**< entries of mean and std; 0 (default) where they are NULL */
} fst_augment_options;

/** Fills the options with their defaults: nothing is done. @param options to fill. @param size sizeof
 *  *options. @return FST_OK or FST_ERR_INVALID_ARGUMENT. @since 0.1 */
FST_API fst_status fst_augment_options_init(fst_augment_options *options, size_t size);

/**
 * Fills the options as SimCLR has them (Chen et al., "A simple framework for contrastive learning of visual
 * representations", 2020, appendix A): crop, flip 0.5, jitter 0.8 with brightness, contrast and
 * saturation 0.8·strength and hue 0.2·strength, grey 0.2, blur 0.5.
 *
 * @param options to fill.
 * @param size sizeof *options.
 * @param strength of the jitter, 0 … 2.5: the paper has 1 for ImageNet and 0.5 for CIFAR-10, which has no
 *        blur either.
 * @return FST_OK or FST_ERR_INVALID_ARGUMENT.
 * @since 0.1
 */
FST_API fst_status fst_augment_options_simclr(fst_augment_options *options, size_t size,
                                              double strength);

/**
 * Reads images, augmented or not, on the threads of the dataset's context. What image i of the call
 * looks like is a function of the context's seed, draw + i, the options and the image, whatever the number
 * of threads.
 *
 * @param dataset a dataset of images.
 * @param indices [count] images, in any order and as often as wanted.
 * @param count at least 1.
 * @param augment NULL: nothing but mean and std of fst_image_options.
 * @param draw number of the first image's draws, ≥ 0; a training has one for each image it reads.
 * @param images an array of [count, channels, height, width], overwritten; what fst_batch.images takes.
 * @return FST_OK; FST_ERR_INVALID_ARGUMENT, naming the entry or field; FST_ERR_STATE for a dataset of
 *         another kind; FST_ERR_NO_MEMORY.
 * @since 0.1
 */
FST_API fst_status fst_dataset_read_images(const fst_dataset *dataset, const int64_t *indices,
                                           int64_t count, const fst_augment_options *augment,
                                           int64_t draw, float *images);

#ifdef __cplusplus
}
#endif

#endif
