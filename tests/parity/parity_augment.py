"""Augmentation against torchvision: each transform with drawn numbers, then all of them one behind the other."""
import ctypes
import sys
from pathlib import Path

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    import torchvision.transforms.v2.functional as tv
    from torchvision.transforms import InterpolationMode
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "python"))
import fourstage as fst  # noqa: E402

torch.set_num_threads(1)
probe = ctypes.CDLL(sys.argv[1])
rng = np.random.default_rng(5)
FLOATS = np.ctypeslib.ndpointer("float32", flags="C_CONTIGUOUS")
DOUBLES = np.ctypeslib.ndpointer("float64", flags="C_CONTIGUOUS")
I = ctypes.c_int32
probe.probe_draw.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int64, I, I, I, DOUBLES]
probe.probe_apply.argtypes = [ctypes.c_void_p, DOUBLES, I, I, I, FLOATS, FLOATS]
probe.probe_resize.argtypes = [FLOATS, I, I, I, I, FLOATS]
for function in (probe.probe_draw, probe.probe_apply, probe.probe_resize):
    function.restype = None

NAMES = ["shift_y", "shift_x", "rotation", "crop", "flip", "jitter", "grey", "blur", "top", "left", "height",
         "width", "order0", "order1", "order2", "order3", "brightness", "contrast", "saturation", "hue", "sigma"]
AT = {name: i for i, name in enumerate(NAMES)}
worst = {}


def options_of(strength=1, **changes):
    options = fst.AugmentOptions()
    for field, value in dict(crop=1, flip=.5, jitter=.8, brightness=.8 * strength, contrast=.8 * strength,
                             saturation=.8 * strength, hue=.2 * strength, grey=.2, blur=.5, **changes).items():
        setattr(options, field, value)
    return options


def image_of(channels, height, width):
    """Smooth enough that a resampled pixel's place matters, with colours that meet every branch of hue."""
    base = rng.random((channels, height, width)).astype("float32")
    base[:, ::3, ::3] = base[:1, ::3, ::3]  # greys
    base[:, 1, :] = 0
    base[:, 2, :] = 1
    return np.ascontiguousarray(base)


def apply(options, draws, image):
    result = np.empty_like(image)
    probe.probe_apply(ctypes.addressof(options), draws, *image.shape, image, result)
    return result


def draw(options, seed, number, shape):
    draws = np.zeros(len(NAMES))
    probe.probe_draw(ctypes.addressof(options), seed, number, *shape, draws)
    return draws


def plain(shape):
    draws = np.zeros(len(NAMES))
    draws[AT["height"]], draws[AT["width"]] = shape[1:]
    draws[AT["order0"]:AT["order0"] + 4] = range(4)
    draws[AT["brightness"]:AT["hue"]] = 1
    return draws


def kernel_of(height):
    return max(3, ((height + 9) // 10) | 1)


def rotated(image, degrees, fill):
    """torchvision's rotate where the fill is 0; else the part from outside is the fill's."""
    turned = tv.rotate_image(image, degrees, interpolation=InterpolationMode.BILINEAR)
    inside = tv.rotate_image(torch.ones_like(image), degrees, interpolation=InterpolationMode.BILINEAR)
    return turned + (1 - inside) * fill


def reference(options, d, image):
    """What torchvision makes of the image with these numbers."""
    value = dict(zip(NAMES, d))
    x = torch.from_numpy(image.copy())
    channels, height, width = image.shape
    down, right = int(value["shift_y"]), int(value["shift_x"])
    if down or right:
        p = max(abs(down), abs(right))
        x = tv.pad_image(x, [p, p, p, p], fill=options.fill)
        x = tv.crop_image(x, p - down, p - right, height, width)
    if value["rotation"]:
        x = rotated(x, float(value["rotation"]), options.fill)
    if value["crop"]:
        x = tv.resized_crop_image(x, int(value["top"]), int(value["left"]), int(value["height"]),
                                  int(value["width"]), [height, width], antialias=True)
    if value["flip"]:
        x = tv.horizontal_flip_image(x)
    if value["jitter"]:
        steps = [(options.brightness, lambda i: tv.adjust_brightness_image(i, value["brightness"])),
                 (options.contrast, lambda i: tv.adjust_contrast_image(i, value["contrast"])),
                 (options.saturation, lambda i: tv.adjust_saturation_image(i, value["saturation"])),
                 (options.hue, lambda i: tv.adjust_hue_image(i, value["hue"]))]
        for which in d[AT["order0"]:AT["order0"] + 4].astype(int):
            strength, step = steps[which]
            if strength:
                x = step(x)
    if value["grey"]:
        x = tv.rgb_to_grayscale_image(x, num_output_channels=3)
    if value["blur"]:
        k = options.blur_kernel or kernel_of(height)
        x = tv.gaussian_blur_image(x, [k, k], [float(value["sigma"])] * 2)
    return x.numpy()


def same(name, got, expected, tolerance=1e-5):
    error = float(np.abs(got - expected).max())
    worst[name] = max(worst.get(name, 0), error)
    assert error <= tolerance, f"{name}: differs by {error}"


def check_each(shape):
    options = options_of(fill=.25)
    image = image_of(*shape)
    cases = {
        "shift": [dict(shift_y=y, shift_x=x) for y, x in ((2, -3), (-1, 0), (0, 4), (-4, 4))],
        "rotation": [dict(rotation=r) for r in (-30, 7.5, 90, 45, 179)],
        "crop": [dict(crop=1, top=t, left=l, height=h, width=w)
                 for t, l, h, w in ((0, 0, 1, 1), (3, 2, 5, 4), (0, 1, shape[1], shape[2] - 1), (1, 0, 7, 9))],
        "flip": [dict(flip=1)],
        "brightness": [dict(jitter=1, brightness=f) for f in (.2, 1.7)],
        "contrast": [dict(jitter=1, contrast=f) for f in (.2, 1.7)],
        "saturation": [dict(jitter=1, saturation=f) for f in (.2, 1.7)],
        "hue": [dict(jitter=1, hue=f) for f in (-.2, .01, .13, .5, -.5)],
        "grey": [dict(grey=1)] if shape[0] == 3 else [],
        "blur": [dict(blur=1, sigma=s) for s in (.1, .8, 2)],
    }
    for name, changes in cases.items():
        for change in changes:
            draws = plain(shape)
            for field, value in change.items():
                draws[AT[field]] = value
            got = apply(options, draws, image)
            same(name, got, reference(options, draws, image))
            assert name == "grey" or (shape[0] == 1 and name in ("saturation", "hue")) or not np.array_equal(got, image), f"{name} did nothing"


def check_kernels():
    image = image_of(3, 40, 30)
    for size in (3, 7, 23):
        options = options_of(blur_kernel=size)
        draws = plain(image.shape)
        draws[AT["blur"]], draws[AT["sigma"]] = 1, 1.5
        same("blur", apply(options, draws, image), reference(options, draws, image))


def check_drawn(shape, count):
    """The whole chain with the numbers that a training would draw."""
    for options in (options_of(), options_of(shift=2, rotation=20, fill=1), options_of(strength=.5, blur_kernel=5)):
        for number in range(count):
            image = image_of(*shape)
            draws = draw(options, 11, number, shape)
            # Hue turns around where two channels are nearly equal: what differs by rounding before it may
            # differ by more behind it.
            same("all", apply(options, draws, image), reference(options, draws, image), 1e-4)


def check_public():
    """What the public function gives is the transform of what was drawn, then normalised."""
    context = fst.Context(seed=11, threads=2)
    pixels = rng.integers(0, 256, (6, 3, 16, 18), dtype="uint8")
    options = options_of(shift=1)
    mean, std = np.array([.5, .4, .3]), np.array([.2, .3, .4])
    dataset = fst.Dataset.from_images(context, pixels, 6, 3, 16, 18, copy=1, mean=mean, std=std)
    images = np.empty(pixels.shape, "float32")
    dataset.read_images(np.arange(6)[::-1].copy(), options, 100, images)
    for i in range(6):
        image = (pixels[5 - i] / np.float32(255)).astype("float32")
        draws = draw(options, 11, 100 + i, image.shape)
        expected = (reference(options, draws, image) - mean[:, None, None]) / std[:, None, None]
        same("read_images", images[i], expected, 1e-3)


def check_resize():
    for from_size, to_size in (((9, 13), (4, 6)), ((9, 13), (31, 5)), ((5, 4), (9, 13)), ((40, 30), (7, 30))):
        image = image_of(3, *from_size)
        result = np.empty((3, *to_size), "float32")
        probe.probe_resize(image, *from_size, *to_size, result)
        expected = F.interpolate(torch.from_numpy(image)[None], size=to_size, mode="bilinear", antialias=True)
        same("resize", result, expected[0].numpy())


for channels in (1, 3):
    check_each((channels, 12, 14))
check_kernels()
check_resize()
check_drawn((3, 24, 20), 150)
check_drawn((1, 28, 28), 40)
check_public()
for name, error in worst.items():
    print(f"{name:12} differs by at most {error:.1e}")
