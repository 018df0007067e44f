"""Plausible values for constructor arguments by their names alone. Pure: knows no torch and no user code.

The values are small, so that a model is built in milliseconds, and go together: widths are multiples of heads, images of
patches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

WIDTH = 64
_HEADS = (4, 2, 3, 8, 5, 6, 7, 1)
_PATCHES = (8, 7, 4, 5, 6, 2, 3, 1)


@dataclass(frozen=True)
class Named:
    """What a name says: the part that the value plays, and the value itself."""

    role: str
    value: Any


# Role, pattern of the name in snake case, value. The first that matches counts, so the narrow stand before the wide.
_RULES: tuple[tuple[str, str, Any], ...] = (
    ("device", r"^(device|dev|gpu|cuda)(_type|_name)?$", "cpu"),
    ("flag", r"^(use|is|has|with|return|add|do|no|enable|share|tie|freeze|output_att|learn)_", False),
    ("flag", r"^(pretrain(ed)?|bidirectional|bidir|causal|is_.*|verbose|debug|train(able|ing)?|inplace|parallel)$", False),
    ("switch", r"^(bias|bilinear|batch_first|affine|norm_first|qkv_bias|.*_bias)$", True),
    ("names", r"^(model|encoder|decoder|backbone|arch|net|vgg|resnet|variant|base_?model|bert|lm)_?(name|arch|variant)$|^(arch|architecture|variant|name)$", None),
    ("names", r"(path|file|ckpt|checkpoint|weights_path|tokenizer|(^|_)root|_dir|folder|url|repo)$|^(load|save)_|pretrained_(model|path)", None),
    ("activation", r"activation|nonlinearity|^act$|^act_?(fn|func|layer|type|name|cls)|_act(_fn|_layer)?$", "relu"),
    ("norm", r"^norm(ali[sz]ation)?(_type|_name|_mode|_kind)?$", "batch"),
    ("cell", r"(rnn|cell)_(type|mode|name|kind)$|^(rnn|cell|rnn_cell|unit_type|cell_type)$", "LSTM"),
    ("gpus", r"^n(um)?_?gpus?$", 0),
    ("index", r"(pad|padding|bos|unk|mask|blank|cls)_?(idx|index|id|token|token_id)$|^(pad|bos|sos|unk)$", 0),
    ("index", r"(eos|sep)_?(idx|index|id|token|token_id)$|^eos$", 1),
    ("sampling", r"sampl(e|ing)_?rate|^(sr|fs|sfreq)$", 16000),
    ("growth", r"growth", 12),
    ("rate", r"drop|^p$|prob(ability)?$|(^|_)pdrop", 0.1),
    ("count", r"(dilat\w*|stride|group|cardinality|pad|padding|stride_size|dilation_rate)$", 1),
    ("epsilon", r"^eps(ilon)?$|_eps$", 1e-5),
    ("momentum", r"momentum", 0.1),
    ("slope", r"slope|^alpha$|^leaky", 0.2),
    ("ratio", r"(mlp|ffn?|expan\w*|widening)_?(ratio|factor|mult|rate)|expansion$|^(expand|mult)$", 2),
    ("ratio", r"reduction|squeeze|^r$|compression", 4),
    ("fraction", r"ratio$|frac(tion)?$|percent|threshold|^keep", 0.5),
    ("scale", r"(up|down)?_?scale(_factor)?$|upscale|^(factor|rate)$|pool(ing)?_size|(up|down)sampl", 2),
    ("multiple", r"(width|depth|w|d)_?(mult\w*|factor|coefficient)$|temperature|^(beta|gamma|lambda|lam|tau|temp|std|sigma)", 1.0),
    ("frequency", r"max_freq|sigma_max", 10.0),
    ("epsilon", r"^(lr|learning_rate|weight_decay|wd|l2)$", 1e-3),
    ("heads-width", r"(head|heads|per_head)_?(dim|size|width|channels?)|(d|dim)_(k|v|q|qk|head)$|^d[kvq]$|dim_head|kv_channels", 16),
    ("heads", r"heads?(_num|_count)?$|^n_?head|^attn_heads", 4),
    ("kernel", r"kernel_sizes|filter_sizes|window_sizes|^(ks|kernels)$", [3, 4, 5]),
    ("kernel", r"kernel|filter_?(size|width|length)|^k(s|_?size)?$|conv_width", 3),
    ("dilations", r"dilations|dilation_rates", [1, 2, 4]),
    ("strides", r"strides", [2, 2]),
    ("mels", r"(n_?|num_?)?(mel|mfcc)(s|_bins|_channels|_bands|c)?$|n_?freqs?$|freq_bins|num_mel|audio_dim", 80),
    ("fourier", r"^n_?fft$|win(dow)?_length|fft_size", 256),
    ("hop", r"hop", 64),
    ("patch", r"patch", 8),
    ("window", r"^(window|win)(_size)?$", 8),
    ("frames", r"(^|_)(frames?|clip_len\w*|segments?|tubelet_size)(_num|_count|_size)?$", 8),
    ("space", r"spatial_dims?|^n_?dims?$|^dims$|^(n_)?dimensions?$|conv_dims$", 2),
    ("image-shape", r"(image|img|input|in|obs)_shape$", (3, 64, 64)),
    ("image", r"(image|img|im|crop|sample|spatial|fm|feature_?map)_?(size|resolution|dim|width|height|h|w|res)$|^(resolution|height|width_px|img_h|img_w|image_[hw]|board_size|grid_size|size)$|input_resolution", 64),
    ("forecast", r"pred(iction)?_?(len|length|steps|horizon|window)|horizon|forecast|^out(put)?_(len|length|steps|seq_len|window)$", 24),
    ("overlap", r"label_len", 48),
    ("points", r"n_?times|n_?samples|num_samples|time_?points|signal_len|num_?points|n_points|(sequence|segment)_samples|audio_len", 256),
    ("length", r"(max_?)?(seq(uence)?|sentence|sent|context|ctx|block|src|tgt|trg|max|time|history|lookback|window|text|sig|input|in|token|doc)_?(len(gth)?s?|_steps|steps|positions?)$|^max_\w*(len|length|positions?|position_embeddings|tokens)$|n_?positions|n_?ctx|maxlen|seqlen|block_size|context_size|lookback|n_?time_?steps|num_(time)?steps|n_?steps|chunk_(size|len\w*)|^(seq_size|len|length|t_len|bptt)$", 96),
    ("vocabulary", r"vocab|(n|num|src|tgt|trg)_?tokens?$|num_?embeddings$|n_?(words|chars|symbols)|dict(ionary)?_size|alphabet|(n|num)_?(users?|items?|entit\w*|relations?|movies|types|embeddings|buckets)$|charset|codebook_size|(source|target|input|output)_vocab\w*|(n_?)?token_num|^(voc|ntoken)", 1000),
    ("series", r"^(enc_in|dec_in|c_out|n_?vars?|num_variables|n_?variates?|num_variates)$", 7),
    ("classes", r"^(n_?|num_?|nb_?|no_?(of_)?|out_?|number_of_|total_)?(class(es)?|cls|labels?|tags?|tagset|targets?|outputs?|classe|categor(y|ies)|answers?|emotions?|genres?|speakers?|ids?|intents?|slots?)(_num|_size|_count|_dim|_number)?$", 10),
    ("classes", r"^(out|output|outputs?|n_?out|num_?out|target|o|d_?out|dim_?out)_?(dims?|size|features?|feat|feats|nc|units|num|n)?$|^(n_?)?out_?(ch|chans?|chns?|channels?|planes|c|put_channels?)?$|^output_?(nc|ch|channels?)$|^(c|ch)_?out$|^class_?num|^ncls|^nc_out|channels_out|dim_out", 10),
    ("channels", r"^(n_?|num_?|nb_?)?(in|input|inp|img|image|im|imgs|color|colour|rgb|src)_?(ch|chans?|chns?|chs|channels?|planes?|maps|nc|c|dims?_c)$|^(n_?|num_?|nb_?)?(channels?|chans?|nc)$|^nchannels$|channels?_(in|img|image|num)$|^(ch|c|img)_?(in|ch|channels)$|^(in|input)_?nc$|^colou?rs$|^inplanes$|^in_?c$", 3),
    ("actions", r"act(ion)?s?(_dim|_size|_space|_num)?$|^n_?actions?", 4),
    ("latent", r"latent|^(nz|z|d_?z)$|z_(dim|size)|noise|code_(dim|size)|bottleneck", 32),
    ("feed-forward", r"(^|_)(ffn?|d_?ff|mlp|inner|feed_?forward|intermediate)(_|$)|^dff$|d_?inner|feedforward|ffdim|intermediate", 128),
    ("layers", r"(^|_|^n|^num|enc|dec)_?(layers?|depths?|blocks?|stages?|repeats?|levels?|stacks?|hops?|modules?|iterations?|iters?|convs?|cycles?|experts?|components?|nlayers?|flows?|scales|branches|mixtures?)(_num|_count|_number)?$|^n_?l$|^(nlayers?|layer_num|num_layer)|^(stack|layer)_size$|^depth$", 2),
    ("filters", r"^n[gd]f$|(base|init|initial|start|first|root)_?(ch\w*|filters?|features?|width|dim|maps|planes)|(n|num)_?init|init_(ch|features|filters|channels)|^nf$|n_?filters?|^filters?$|^base$|num_filters?|stem", 32),
    ("width", r"^ninp$", WIDTH),
    ("features", r"^(n_?|num_?|nb_?|dim_?)?(in|input|inputs?|inp|feat|feats|features?|obs|observation|state|node|edge|x|cont|continuous|numerical|numeric|dense|joints?|sensors?|inputs_)_?(dims?|features?|feats?|size|units|num|channels?|in|n)?$|^(d|dim|n|n_?feat)_?in$|^nfeats?$|^n_in$|^input_?(length)?$|^(in|input)_?feat\w*|^(n_?)?(node|edge)_feat\w*", 16),
    ("width", r"dim|hid|ninp|width|emb|d_?model|model|size|unit|feat|maps|ch$|chan|planes?|nhid|neurons|state|project|filter|memory|rank|query|key|value|context|channels?", WIDTH),
)  # fmt: skip
# Compiling all of them takes a tenth of a second, so each is compiled only for a name that has a part of it: of its
# words those that are not in an optional group, as far as that is quickly seen.
_OPTIONAL = re.compile(r"\([^()]*\)\?|[a-z_]\?")
_WORDS = re.compile(r"[a-z]{2,}")
_SHORT = 2
_PARTS = tuple(
    frozenset(_WORDS.findall(re.sub(r"\\[wb]", " ", _OPTIONAL.sub(" ", pattern)))) for _, pattern, _ in _RULES
)

_PLURAL = re.compile(
    r"^(?!spatial)\w*(sizes|dims|widths|hiddens|mults|multipliers|depths|kernels|ratios|cardinalities|strides|dilations)$|"
    r"_list$|^(cards?|categories|channels|units|hidden_layers)$|(block_out|conv|layer|mlp)_(channels|filters|features)$|(hidden|mlp|layer)_units$"
)


def snake(name: str) -> str:
    """`numClasses` and `nClasses` as `num_classes` and `n_classes`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).strip("_").lower()


@cache
def by_name(name: str) -> Named | None:
    """What the name alone says; None where it says nothing."""
    plain = snake(name)
    for (role, pattern, value), parts in zip(_RULES, _PARTS, strict=True):
        if (len(plain) <= _SHORT or any(part in plain for part in parts)) and re.search(pattern, plain):
            return Named(role, value)
    return None


def role_of(name: str) -> str:
    named = by_name(name)
    return named.role if named else ""


def is_plural(name: str) -> bool:
    """`hidden_sizes` and `channels`, but not `num_layers`, which is a count."""
    plain = snake(name)
    return bool(_PLURAL.search(plain)) and not re.match(r"(n|num|nb|no|number|max|total)_", plain)


def several(name: str, value: Any, length: int) -> list[Any]:
    """A list for an argument that takes one number a layer: channels double, sizes of vocabularies differ."""
    if isinstance(value, (list, tuple)):
        return [*value, *([value[-1]] * (length - len(value)))] if length else list(value)
    role = role_of(name)
    if role in ("classes", "vocabulary") and isinstance(value, int):
        return [5 + 2 * index for index in range(length or 2)]
    if role in ("channels", "filters"):
        return [min(16 * 2**index, WIDTH) for index in range(length or 3)]
    return [value] * (length or 2)


def consistent(name: str, value: Any, known: Mapping[str, Any]) -> Any:
    """The value as it goes with those that are known: heads divide widths, patches divide images."""
    role = role_of(name)
    if type(value) is not int:
        return value
    if role == "heads":
        return _divisor(_sizes(known, ("width",)), _HEADS, value)
    if role == "patch":
        return _divisor(_sizes(known, ("image",)), _PATCHES, value)
    if role == "width":
        return _multiple(value, _sizes(known, ("heads",)), 16)
    if role == "image":
        return _multiple(value, _sizes(known, ("patch",)), 8)
    return value


def _sizes(known: Mapping[str, Any], roles: tuple[str, ...]) -> list[int]:
    sized = [(role_of(name.rpartition(".")[2]), value) for name, value in known.items() if type(value) is int]
    return [value for role, value in sized if role in roles and value > 0]


def _divisor(sizes: list[int], ladder: tuple[int, ...], usual: int) -> int:
    fitting = [number for number in ladder if all(size % number == 0 for size in sizes)]
    return usual if usual in fitting or not fitting else fitting[0]


def _multiple(usual: int, parts: list[int], times: int) -> int:
    misfit = [part for part in parts if usual % part]
    return misfit[0] * times if misfit else usual
