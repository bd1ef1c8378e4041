"""Augmentation against torchvision's formulas, written down in PyTorch: each transform with drawn numbers, then all
of them one behind the other.

The functions below are those of torchvision 0.28, torchvision/transforms/v2/functional/_color.py, _geometry.py and
_misc.py, for tensors of floats; the package itself is not asked for, since it must match PyTorch's build.
"""
import ctypes
import math
import sys
from pathlib import Path

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
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
    """_rotate_image: an affine grid turned about the middle, sampled with zeros outside; with a fill, the part
    from outside is that."""
    height, width = image.shape[1:]
    angle = math.radians(degrees)
    theta = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    y, x = torch.meshgrid(torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2, indexing="ij")
    grid = torch.stack([x, y], -1).double() @ theta.T / torch.tensor([width / 2, height / 2])

    def sample(values):
        return F.grid_sample(values[None].double(), grid[None], "bilinear", "zeros", align_corners=False)[0].float()

    return sample(image) + (1 - sample(torch.ones_like(image))) * fill


def grey_of(image):
    if image.shape[0] == 1:
        return image
    return 0.2989 * image[:1] + 0.587 * image[1:2] + 0.114 * image[2:]


def blend(image, other, ratio):
    return (ratio * image + (1 - ratio) * other).clamp(0, 1)


def rgb_to_hsv(image):
    r, g, _ = image.unbind(0)
    minc, maxc = torch.aminmax(image, dim=0)
    eqc = maxc == minc
    span = maxc - minc
    ones = torch.ones_like(maxc)
    s = span / torch.where(eqc, ones, maxc)
    rc, gc, bc = ((maxc - image) / torch.where(eqc, ones, span)).unbind(0)
    not_r, is_g = maxc != r, maxc == g
    hg = (rc + 2 - bc) * (is_g & not_r)
    hr = (bc - gc) * ~not_r
    hb = (gc + 4 - rc) * (not_r & ~is_g)
    return ((hr + hg + hb) / 6 + 1).fmod(1), s, maxc


def hsv_to_rgb(h, s, v):
    h6 = h * 6
    i = h6.floor()
    f = h6 - i
    i = i.to(torch.int64) % 6
    p, q, t = (x.clamp(0, 1) for x in ((1 - s) * v, (1 - s * f) * v, (s * f + 1 - s) * v))
    table = torch.stack([torch.stack(c) for c in ((v, q, p, p, t, v), (t, v, v, q, p, p), (p, p, t, v, v, q))])
    return table.gather(1, i.expand(3, 1, *i.shape))[:, 0]


def turned(image, factor):
    if image.shape[0] == 1:
        return image
    h, s, v = rgb_to_hsv(image)
    return hsv_to_rgb((h + factor).remainder(1), s, v)


def blurred(image, size, sigma):
    half = (size - 1) / 2
    kernel = torch.exp(-0.5 * (torch.linspace(-half, half, size) / sigma) ** 2)
    kernel = kernel / kernel.sum()
    channels = image.shape[0]
    padded = F.pad(image[None], [size // 2] * 4, mode="reflect")
    return F.conv2d(padded, torch.outer(kernel, kernel).expand(channels, 1, size, size), groups=channels)[0]


def reference(options, d, image):
    """What torchvision makes of the image with these numbers."""
    value = dict(zip(NAMES, d))
    x = torch.from_numpy(image.copy())
    channels, height, width = image.shape
    down, right = int(value["shift_y"]), int(value["shift_x"])
    if down or right:
        p = max(abs(down), abs(right))
        x = F.pad(x, [p, p, p, p], value=options.fill)
        x = x[:, p - down:p - down + height, p - right:p - right + width]
    if value["rotation"]:
        x = rotated(x, float(value["rotation"]), options.fill)
    if value["crop"]:
        top, left = int(value["top"]), int(value["left"])
        x = x[:, top:top + int(value["height"]), left:left + int(value["width"])]
        x = F.interpolate(x[None], size=(height, width), mode="bilinear", antialias=True)[0]
    if value["flip"]:
        x = x.flip(-1)
    if value["jitter"]:
        steps = [(options.brightness, lambda i: blend(i, 0, value["brightness"])),
                 (options.contrast, lambda i: blend(i, grey_of(i).mean(), value["contrast"])),
                 (options.saturation, lambda i: blend(i, grey_of(i), value["saturation"])),
                 (options.hue, lambda i: turned(i, value["hue"]))]
        for which in d[AT["order0"]:AT["order0"] + 4].astype(int):
            strength, step = steps[which]
            if strength:
                x = step(x)
    if value["grey"]:
        x = grey_of(x).expand(3, height, width)
    if value["blur"]:
        x = blurred(x, options.blur_kernel or kernel_of(height), float(value["sigma"]))
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
