#include "engine/cuda/plan.h"

#include <algorithm>
#include <set>

#include "core/error.h"

namespace oddity::cuda {
namespace {

using kernels::Epilogue;

// Kernels know nothing of the model; here the two meet.
static_assert(kernels::kLeakyReluSlope == kLeakyReluSlope);
static_assert(kernels::kBatchNormEpsilon == kBatchNormEpsilon);
static_assert(kernels::kBatchNormMomentum == kBatchNormMomentum);

// Tensors begin at 256 bytes, where the widest loads of kernels and libraries may begin.
constexpr int64_t kAlignment = 64;

int64_t place(int64_t& end, int64_t size) {
  const int64_t offset = end;
  end += (size + kAlignment - 1) / kAlignment * kAlignment;
  return offset;
}

bool is_kernel_of_convolution(const TensorSpec& spec) { return spec.shape.size() == 4; }

/// A stage for each convolution; offsets are set later.
std::vector<Stage> make_stages(const Architecture& architecture) {
  std::vector<Stage> stages;
  ImageShape in = architecture.image();
  for (const Layer& layer : layers(architecture)) {
    if (layer.kind == LayerKind::conv2d || layer.kind == LayerKind::conv2d_transpose) {
      const bool transposed = layer.kind == LayerKind::conv2d_transpose;
      const ImageShape& large = transposed ? layer.output : in;
      const ImageShape& small = transposed ? in : layer.output;
      Stage stage;
      stage.name = layer.name;
      stage.kind = transposed ? OperationKind::conv2d_transpose : OperationKind::conv2d;
      stage.convolution = {.images = 0,
                           .height = large.height,
                           .width = large.width,
                           .channels = large.channels,
                           .filters = small.channels,
                           .stride = layer.stride};
      stage.normalized = layer.stride > 1;
      stage.in = in.size();
      stage.out = layer.output.size();
      stage.out_channels = layer.output.channels;
      stages.push_back(stage);
    }
    // Flattening and the dense layers end in the map that they began with.
    if (layer.kind != LayerKind::flatten && layer.kind != LayerKind::dense) in = layer.output;
  }
  return stages;
}

template <typename From, typename To>
void turn(const From* from, int64_t rows, int64_t columns, To* to) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      to[column * rows + row] = from[row * columns + column];
    }
  }
}

OperationSpec dense_spec(int64_t images, int64_t inputs, int64_t outputs, OperationKind kind) {
  OperationSpec spec;
  spec.kind = kind;
  spec.dense = {images, inputs, outputs};
  return spec;
}

}  // namespace

Plan::Plan(const Architecture& the_architecture)
    : architecture(the_architecture),
      stages(make_stages(architecture)),
      encoder_stages(architecture.filters.size()),
      image(architecture.image().size()),
      features(architecture.encoded().size()),
      latent(architecture.latent_dim) {
  largest_map = image;
  for (Stage& stage : stages) {
    // kernels/conv2d.h: positions within an image are 32-bit numbers.
    constexpr int64_t kMostNumbers = (int64_t{1} << 31) - 1;
    if (std::max(stage.in, stage.out) > kMostNumbers) {
      throw Error(
          "{}: an image has {} numbers there, the CUDA engine takes at most {}: use smaller "
          "images or fewer filters",
          stage.name, std::max(stage.in, stage.out), kMostNumbers);
    }
    largest_map = std::max(largest_map, stage.out);
    if (!stage.normalized) continue;
    stage.scale = place(folded, stage.out_channels);
    stage.shift = place(folded, stage.out_channels);
  }
  for (const TensorSpec& spec : tensor_specs(architecture)) {
    Placement placement{spec.name, spec.trainable,
                        place(spec.trainable ? parameters : moving, spec.size())};
    if (is_kernel_of_convolution(spec)) {
      placement.rows = 9 * spec.shape[2];
      placement.columns = spec.shape[3];
    }
    placements.push_back(placement);
  }
  const auto offset_of = [this](const std::string& name) {
    return std::find_if(placements.begin(), placements.end(),
                        [&](const Placement& placement) { return placement.name == name; })
        ->offset;
  };
  for (Stage& stage : stages) {
    stage.kernel = offset_of(stage.name + ".kernel");
    stage.bias = offset_of(stage.name + ".bias");
    if (!stage.normalized) continue;
    // encoder.conv2, decoder.convT2 → encoder.bn2, decoder.bn2
    const std::string norm = stage.name.substr(0, stage.name.find('.')) + ".bn" +
                             stage.name.substr(stage.name.find_first_of("0123456789"));
    stage.gamma = offset_of(norm + ".gamma");
    stage.beta = offset_of(norm + ".beta");
    stage.moving_mean = offset_of(norm + ".moving_mean");
    stage.moving_variance = offset_of(norm + ".moving_variance");
  }
  dense1 = offset_of("encoder.dense1.kernel");
  dense1_bias = offset_of("encoder.dense1.bias");
  dense2 = offset_of("decoder.dense1.kernel");
  dense2_bias = offset_of("decoder.dense1.bias");
}

OperationSpec Plan::forward(const Stage& stage, int64_t images) const {
  OperationSpec spec;
  spec.kind = stage.kind;
  spec.conv = stage.shape(images);
  spec.epilogue = stage.normalized ? Epilogue::bias_leaky_relu : Epilogue::bias;
  return spec;
}

OperationSpec Plan::data_gradient(const Stage& stage, int64_t images) const {
  OperationSpec spec = forward(stage, images);
  spec.kind =
      stage.kind == OperationKind::conv2d ? OperationKind::conv2d_transpose : OperationKind::conv2d;
  spec.epilogue = Epilogue::none;
  return spec;
}

OperationSpec Plan::weight_gradient(const Stage& stage, int64_t images) const {
  OperationSpec spec = forward(stage, images);
  spec.kind = OperationKind::conv2d_weight_gradient;
  spec.epilogue = Epilogue::none;
  return spec;
}

OperationSpec Plan::batch_norm(const Stage& stage, int64_t images, OperationKind kind) const {
  OperationSpec spec;
  spec.kind = kind;
  spec.norm = map_of(stage, images);
  return spec;
}

OperationSpec Plan::encode(int64_t images, OperationKind kind) const {
  return dense_spec(images, features, latent, kind);
}

OperationSpec Plan::decode(int64_t images, OperationKind kind) const {
  return dense_spec(images, latent, features, kind);
}

std::vector<OperationSpec> operation_specs(const Plan& plan, int64_t images, Mode mode) {
  std::set<OperationSpec> specs;
  for (const Stage& stage : plan.stages) specs.insert(plan.forward(stage, images));
  specs.insert(plan.encode(images, OperationKind::dense));
  specs.insert(plan.decode(images, OperationKind::dense));
  if (mode == Mode::training) {
    for (const Stage& stage : plan.stages) {
      specs.insert(plan.weight_gradient(stage, images));
      if (&stage != &plan.stages.front()) specs.insert(plan.data_gradient(stage, images));
      if (!stage.normalized) continue;
      specs.insert(plan.batch_norm(stage, images, OperationKind::batch_norm_training));
      specs.insert(plan.batch_norm(stage, images, OperationKind::batch_norm_backward));
    }
    for (const OperationKind kind :
         {OperationKind::dense_data_gradient, OperationKind::dense_weight_gradient}) {
      specs.insert(plan.encode(images, kind));
      specs.insert(plan.decode(images, kind));
    }
  }
  return {specs.begin(), specs.end()};
}

void pack(const Plan& plan, const Weights& weights, std::span<float> parameters,
          std::span<float> moving) {
  for (const Placement& placement : plan.placements) {
    const std::span<float> flat = placement.trainable ? parameters : moving;
    if (flat.empty()) continue;
    const std::vector<float>& values = weights.at(placement.name).values;
    float* const to = flat.data() + placement.offset;
    if (placement.rows > 0) {
      turn(values.data(), placement.rows, placement.columns, to);
    } else {
      std::copy(values.begin(), values.end(), to);
    }
  }
}

void unpack(const Plan& plan, std::span<const float> parameters, std::span<const float> moving,
            Weights& weights) {
  for (const Placement& placement : plan.placements) {
    const std::span<const float> flat = placement.trainable ? parameters : moving;
    if (flat.empty()) continue;
    std::vector<float>& values = weights.at(placement.name).values;
    const float* const from = flat.data() + placement.offset;
    if (placement.rows > 0) {
      turn(from, placement.columns, placement.rows, values.data());
    } else {
      std::copy_n(from, values.size(), values.begin());
    }
  }
}

}  // namespace oddity::cuda
