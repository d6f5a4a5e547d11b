#include "model/architecture.h"

#include <utility>

#include "core/error.h"

namespace oddity {
namespace {

// Generous bounds that keep every product of extents far from overflow.
constexpr int64_t kMaxSide = 65536;
constexpr int64_t kMaxChannels = 65536;
constexpr int64_t kMaxWeights = int64_t{1} << 31;

void check_extent(const char* what, int64_t value, int64_t limit) {
  if (value < 1 || value > limit) {
    throw ArgumentError("{} must be between 1 and {}, not {}", what, limit, value);
  }
}

void check_side(const char* what, int64_t side, size_t stages) {
  const int64_t multiple = int64_t{1} << stages;
  if (side % multiple == 0) return;
  const int64_t below = side / multiple * multiple;
  const int64_t above = below + multiple;
  throw ArgumentError(
      "{} {} does not work with {} filters: it must be a multiple of {}, such as {}", what, side,
      stages, multiple,
      below > 0 ? fmt::format("{} or {}", below, above) : fmt::format("{}", above));
}

std::string numbered(const char* prefix, size_t number) {
  return fmt::format("{}{}", prefix, number);
}

}  // namespace

Architecture conv_autoencoder(int64_t width, int64_t height, int64_t depth,
                              std::vector<int64_t> filters, int64_t latent_dim) {
  check_extent("width", width, kMaxSide);
  check_extent("height", height, kMaxSide);
  check_extent("depth", depth, kMaxChannels);
  check_extent("latent dimension", latent_dim, kMaxChannels);
  if (filters.empty()) throw ArgumentError("filters: at least one is needed, such as 32,64");
  if (filters.size() > 16) {
    throw ArgumentError("filters: at most 16 are possible, not {}", filters.size());
  }
  for (const int64_t filter : filters) check_extent("a filter count", filter, kMaxChannels);
  check_side("width", width, filters.size());
  check_side("height", height, filters.size());

  Architecture architecture{width, height, depth, std::move(filters), latent_dim};
  int64_t weights = 0;
  for (const TensorSpec& spec : tensor_specs(architecture)) {
    weights += spec.size();
    if (weights > kMaxWeights) {
      throw ArgumentError(
          "an autoencoder of {} with latent dimension {} has more than {} weights: "
          "use smaller images, filters or latent dimension",
          to_string(architecture.image()), latent_dim, kMaxWeights);
    }
  }
  return architecture;
}

std::vector<Layer> layers(const Architecture& a) {
  std::vector<Layer> list;
  ImageShape shape = a.image();
  const size_t stages = a.filters.size();
  for (size_t i = 0; i < stages; ++i) {
    shape = {shape.height / 2, shape.width / 2, a.filters[i]};
    list.push_back({numbered("encoder.conv", i + 1), LayerKind::conv2d, shape, 2});
    list.push_back({numbered("encoder.lrelu", i + 1), LayerKind::leaky_relu, shape});
    list.push_back({numbered("encoder.bn", i + 1), LayerKind::batch_norm, shape});
  }
  const ImageShape flat{1, 1, shape.size()};
  list.push_back({"encoder.flatten1", LayerKind::flatten, flat});
  list.push_back({"encoder.dense1", LayerKind::dense, {1, 1, a.latent_dim}});
  list.push_back({"decoder.dense1", LayerKind::dense, flat});
  list.push_back({"decoder.reshape1", LayerKind::reshape, shape});
  for (size_t i = 0; i < stages; ++i) {
    shape = {shape.height * 2, shape.width * 2, a.filters[stages - 1 - i]};
    list.push_back({numbered("decoder.convT", i + 1), LayerKind::conv2d_transpose, shape, 2});
    list.push_back({numbered("decoder.lrelu", i + 1), LayerKind::leaky_relu, shape});
    list.push_back({numbered("decoder.bn", i + 1), LayerKind::batch_norm, shape});
  }
  list.push_back(
      {numbered("decoder.convT", stages + 1), LayerKind::conv2d_transpose, a.image(), 1});
  list.push_back({"decoder.sigmoid1", LayerKind::sigmoid, a.image()});
  return list;
}

int64_t TensorSpec::size() const {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

std::vector<TensorSpec> tensor_specs(const Architecture& architecture) {
  std::vector<TensorSpec> specs;
  int64_t in = architecture.depth;  // channels (or numbers, after flatten) that reach the layer
  for (const Layer& layer : layers(architecture)) {
    const int64_t out = layer.output.channels;
    switch (layer.kind) {
      case LayerKind::conv2d:
        specs.push_back({layer.name + ".kernel", {3, 3, in, out}});
        specs.push_back({layer.name + ".bias", {out}});
        break;
      case LayerKind::conv2d_transpose:
        specs.push_back({layer.name + ".kernel", {3, 3, out, in}});
        specs.push_back({layer.name + ".bias", {out}});
        break;
      case LayerKind::dense:
        specs.push_back({layer.name + ".kernel", {in, out}});
        specs.push_back({layer.name + ".bias", {out}});
        break;
      case LayerKind::batch_norm:
        specs.push_back({layer.name + ".gamma", {out}});
        specs.push_back({layer.name + ".beta", {out}});
        specs.push_back({layer.name + ".moving_mean", {out}, false});
        specs.push_back({layer.name + ".moving_variance", {out}, false});
        break;
      case LayerKind::leaky_relu:
      case LayerKind::flatten:
      case LayerKind::reshape:
      case LayerKind::sigmoid:
        break;
    }
    in = out;
  }
  return specs;
}

}  // namespace oddity
