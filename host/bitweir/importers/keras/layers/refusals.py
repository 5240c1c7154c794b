"""What becomes of each layer of Keras that has no rule: why it is refused, and what to build instead."""

from __future__ import annotations

from ...refusal import Refusal

__all__ = ["LAYERS", "refused_layer"]

_GROUPS = (
    (
        "Bidirectional ConvLSTM1D ConvLSTM2D ConvLSTM3D CuDNNGRU CuDNNLSTM GRU GRUCell LSTM LSTMCell RNN SimpleRNN "
        "SimpleRNNCell StackedRNNCells TimeDistributed",
        "is recurrent, and recurrent networks are not supported unless they are unrolled",
        "build each step of layers of its own, without gates, or use convolutions over the steps",
    ),
    (
        "AdditiveAttention Attention Dot GroupQueryAttention MultiHeadAttention Multiply",
        "multiplies values that all depend on the image, and only products with constant weights are supported",
        "use convolutions or dense layers, and Add for branches",
    ),
    (
        "GroupNormalization LayerNormalization RMSNormalization SpectralNormalization UnitNormalization",
        "divides by a statistic of each image, which no constant threshold can follow",
        "use BatchNormalization, whose statistics are constant",
    ),
    (
        "AveragePooling3D Conv3D Cropping3D GlobalAveragePooling3D GlobalMaxPooling3D MaxPooling3D QuantConv3D "
        "UpSampling3D ZeroPadding3D",
        "works on maps of three dimensions, which is not supported",
        "use layers for two dimensions",
    ),
    (
        "Conv1DTranspose Conv3DTranspose QuantConv3DTranspose",
        "is a transposed convolution over maps that do not have two dimensions, which is not supported",
        "use UpSampling2D with the interpolation nearest, and a convolution behind it",
    ),
    (
        "Resizing",
        "changes the size of a map in a way that is not supported",
        "use UpSampling2D, which repeats pixels, and pools",
    ),
    (
        "LocallyConnected1D LocallyConnected2D QuantLocallyConnected1D QuantLocallyConnected2D",
        "has weights of its own for each pixel, which is not supported",
        "use QuantConv2D, or QuantDense behind Flatten",
    ),
    (
        "CenterCrop",
        "cuts or resizes images of any size",
        "cut images before the model, or use Cropping2D",
    ),
    (
        "ELU SELU ThresholdedReLU",
        "is a curve of which no exact thresholds are known here",
        "use ReLU, LeakyReLU, PReLU, or hard_tanh, tanh or sigmoid before the quantiser",
    ),
    (
        "CategoryEncoding Discretization Embedding FeatureSpace HashedCrossing Hashing IntegerLookup MelSpectrogram "
        "STFTSpectrogram StringLookup TextVectorization",
        "prepares data that is no image",
        "do it before the model, and feed the model with its quantised result",
    ),
    (
        "AugMix AutoContrast CutMix Equalization GaussianBlur Grayscale HueSaturation MixUp RandAugment "
        "RandomColorDegeneration RandomColorJitter RandomCrop RandomElasticTransform RandomErasing RandomGaussianBlur "
        "RandomGrayscale RandomHeight RandomHue RandomInvert RandomPerspective RandomPosterization RandomSaturation "
        "RandomSharpness RandomShear RandomWidth Solarization",
        "changes images in a way that is not read",
        "leave it out of the model that is saved, and do it before training",
    ),
    ("Average", "averages branches", "use Add, and halve its sum in the batch norm behind it"),
    (
        "Maximum Minimum",
        "compares branches, which is not supported",
        "use Add",
    ),
    (
        "Subtract",
        "subtracts branches, in a form that is not read",
        "use Add, with the kernel before one of them negated",
    ),
    ("Lambda Wrapper", "holds Python code, which is never run", "replace it by layers"),
    (
        "ClassMethod NotEqual Operation SlicingOpLambda TFOpLambda TensorFlowOpLayer",
        "is an operation outside of a layer",
        "use the layers Add and Activation",
    ),
    (
        "Normalization",
        "has statistics of its own",
        "use Rescaling, or a BatchNormalization before the first quantiser",
    ),
    (
        "EinsumDense FlaxLayer JaxLayer Masking MaxNumBoundingBoxes Permute Pipeline RepeatVector TFSMLayer "
        "TorchModuleWrapper",
        "does something that a fixed stream of pixels cannot follow, or that the file does not say",
        "use Reshape, QuantDense and QuantConv2D",
    ),
    (
        "QAdaptiveActivation QAveragePooling2D QBatchNormalization QConv2DBatchnorm QConv2DTranspose QDenseBatchnorm "
        "QDepthwiseConv2DBatchnorm QGRU QGlobalAveragePooling2D QLSTM QSeparableConv1D QSeparableConv2D QSimpleRNN",
        "is a layer of QKeras that is not read",
        "use QDense, QConv2D, QDepthwiseConv2D and QActivation, with BatchNormalization and pools of Keras",
    ),
    (
        "FixedPointQuantizer HActivation HConv1D HConv2D HDense HDenseBatchNorm HQuantize QConv1DT QEinsumDense",
        "is of HGQ, whose numbers have steps of their own for each element and wrap around, which is not read",
        "use QDense, QConv2D and QActivation of QKeras, with one quantiser for a tensor",
    ),
    (
        "QuantizeLayer QuantizeWrapper QuantizeWrapperV2",
        "is of TensorFlow's model optimisation, whose 8-bit networks are not read",
        "quantise with Larq's layers, or export the model to ONNX with tf2onnx",
    ),
)

#: Layers without a rule.
LAYERS = {name: Refusal(reason, remedy) for names, reason, remedy in _GROUPS for name in names.split()}

_UNKNOWN = Refusal("is of a class that is not known here", "replace it by layers of Keras or Larq")


def refused_layer(kind: str, label: str) -> str:
    """The sentence about a layer that has no rule."""
    return LAYERS.get(kind, _UNKNOWN).of(f"Layer {label}")
