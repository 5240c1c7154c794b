"""What becomes of each operator of ONNX that has no rule: why it is refused, and what to write instead.

One table, so that every operator that a file may hold ends in a sentence.
"""

from __future__ import annotations

from ...errors import shown
from ...refusal import Refusal
from ..graph import Node

__all__ = ["DOMAINS", "OPERATORS", "refusal"]


_GROUPS = (
    (
        "GRU LSTM RNN",
        "is a recurrent layer, and recurrent networks are not supported unless they are unrolled",
        "write each step as layers of its own, without gates, or use convolutions over the steps",
    ),
    (
        "If Loop Scan SequenceMap",
        "is control flow, which a fixed pipeline cannot follow",
        "export the model with fixed shapes and without branches, so that loops are unrolled",
    ),
    (
        "Attention CausalConvWithState FlexAttention LinearAttention RotaryEmbedding TensorScatter",
        "multiplies values that all depend on the image, as attention does, and only products with constant weights "
        "are supported",
        "use convolutions or dense layers with constant weights",
    ),
    (
        "GroupNormalization InstanceNormalization LRN LayerNormalization LpNormalization MeanVarianceNormalization "
        "RMSNormalization",
        "divides by a statistic of each image, which no constant threshold can follow",
        "train with a batch norm, whose statistics are constant",
    ),
    (
        "Acos Acosh Asin Asinh Atan Atanh Celu Elu Exp Log Selu Shrink Sinh Softplus Softsign Sqrt Swish "
        "ThresholdedRelu",
        "is a curve of which no exact thresholds are known here",
        "use ReLU, Clip (Hardtanh), Tanh or Sigmoid before the quantiser, or leave it out where only a sign follows "
        "that it does not change",
    ),
    (
        "Cos Cosh Mish Mod Sin SwiGLU Tan",
        "is not monotone, and only monotone operations fold into the thresholds of a quantiser",
        "use ReLU, Clip (Hardtanh), Tanh or Sigmoid",
    ),
    (
        "Col2Im MaxUnpool",
        "makes a larger map of a smaller one in another way than by repeating pixels, which is not supported",
        "use Resize with mode nearest and whole scales, which repeats pixels, and a convolution behind it",
    ),
    (
        "AffineGrid DeformConv GridSample MaxRoiPool RoiAlign",
        "reads places of a map that depend on the image, and windows must lie where they lie for every image",
        "use a convolution or a pool",
    ),
    (
        "ConvInteger MatMulInteger QLinearConv QLinearMatMul",
        "belongs to a model whose sums are integers in the file, a form that is not read",
        "export it with QuantizeLinear and DequantizeLinear around float operators (the QDQ or QCDQ format), or with "
        "the operators of QONNX",
    ),
    (
        "DynamicQuantizeLinear",
        "quantises by a scale that depends on the image",
        "use a constant scale, as Quant of QONNX has, or Round and Clip",
    ),
    (
        "Compress GatherElements GatherND NonMaxSuppression NonZero OneHot ReverseSequence Scatter ScatterElements "
        "ScatterND Unique",
        "picks or places values one by one, which a stream of fixed order cannot",
        "export the network up to its scores, and leave such steps to the program that takes the results; Gather and "
        "Slice with constant indices are supported",
    ),
    (
        "ArgMin",
        "chooses the lowest score, and only the highest is found",
        "negate the scores and use ArgMax, or export the network up to its scores",
    ),
    (
        "Hardmax",
        "must not end a network",
        "export it up to its scores, or end with ArgMax",
    ),
    (
        "Adagrad Adam Gradient Momentum NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss",
        "belongs to training",
        "export the model for inference, up to its scores",
    ),
    (
        "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike",
        "draws random numbers",
        "call model.eval() before the export, or remove it",
    ),
    (
        "BlackmanWindow DFT Det HammingWindow HannWindow MelWeightMatrix STFT",
        "transforms signals in floating point",
        "do it before the model, and feed the model with its quantised result",
    ),
    (
        "ConcatFromSequence ImageDecoder Optional OptionalGetElement OptionalHasElement RegexFullMatch SequenceAt "
        "SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SplitToSequence StringConcat "
        "StringNormalizer StringSplit TfIdfVectorizer",
        "handles texts, files or sequences",
        "do it before or behind the model, and export a model of tensors alone",
    ),
    (
        "And BitCast BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Equal IsInf IsNaN Or Xor",
        "combines bits or tests for equality, which is no threshold",
        "use the comparisons >, >=, < and <=, cast to float and added where there are several",
    ),
    (
        "GlobalLpPool LpPool ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMin ReduceProd ReduceSumSquare",
        "reduces a map by a rule that is not supported",
        "use ReduceMean, ReduceSum, ReduceMax or a pool over its rows and columns",
    ),
    (
        "Reciprocal",
        "divides by a value that depends on the image",
        "use a constant factor for each channel",
    ),
    (
        "CumProd CumSum Einsum",
        "adds or multiplies along an axis in a form that is not read",
        "write it as a MatMul with constant weights",
    ),
    (
        "CenterCropPad Tile Trilu",
        "repeats or cuts values in a form that is not read",
        "use Slice, Pad, or weights of 0",
    ),
    (
        "CastLike EyeLike Range Size",
        "makes a constant in a form that is not read",
        "export the model with fixed shapes and constant folding",
    ),
    (
        "Constant ConstantOfShape Dropout Identity",
        "has inputs that are not supported",
        "export the model for inference with fixed shapes, after model.eval()",
    ),
    ("FloatQuant", "rounds to floating point numbers", "use Quant, whose levels are evenly spaced"),
)

#: Operators without a rule, or with one for constants alone.
OPERATORS = {name: Refusal(reason, remedy) for names, reason, remedy in _GROUPS for name in names.split()}

#: Domains of operators that are not ONNX's own, by the beginning of their names.
DOMAINS = {
    "ai.onnx.ml": Refusal("is classical machine learning", "import neural networks alone"),
    "ai.onnx.preview.training": Refusal("belongs to training", "export the model for inference, up to its scores"),
    "ai.onnx.preview": Refusal("is no settled operator of ONNX", "write it with standard operators"),
    "com.microsoft": Refusal(
        "is an operator of ONNX Runtime's own, which its optimiser makes", "import the file as it was exported"
    ),
    "finn.custom_op.fpgadataflow": Refusal(
        "is a layer of FINN's hardware", "import the file as it was before FINN converted it to hardware layers"
    ),
    "org.pytorch": Refusal("is no operator of ONNX", "export the model with standard operators alone"),
}


_CONSTANT = Refusal(
    "takes constants alone, and is not computed before the import", "export the model with constant folding"
)
_CONTROL = Refusal(
    "holds a graph of its own, and control flow is not supported",
    "export the model with fixed shapes, without branches",
)


def refusal(node: Node, *, custom: bool, constant: bool) -> str:
    """The sentence about a node that has no rule.

    Parameters
    ----------
    node : Node
    custom : bool
        Its domain is one of those that are read.
    constant : bool
        There is a rule for the operator, but none for constants.
    """
    subject = f"Node {node.label}"
    if node.domain:
        subject += f" of domain {shown(node.domain)}"
    found = OPERATORS.get(node.op) if custom or not node.domain else None
    if found is None and node.domain and not custom:
        found = next((entry for start, entry in DOMAINS.items() if node.domain.startswith(start)), None)
    if constant and found is None:
        found = _CONSTANT
    if node.graphs:
        found = OPERATORS.get(node.op, _CONTROL)
    if found is None:
        found = Refusal("is no operator that is known here", "write it with standard operators of ONNX, or remove it")
    return found.of(subject)
