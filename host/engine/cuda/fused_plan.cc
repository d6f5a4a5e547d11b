#include "engine/cuda/fused_plan.h"

#include "engine/cuda/flop.h"
#include "engine/trim.h"
#include "trim.h"

namespace oddity::cuda {
namespace {

using kernels::Normalisation;

class FusedPlanner {
 public:
  FusedPlanner(const Plan& plan, const FusedMemory& memory, int64_t images, const FusedState& state,
               const EpochInput& input)
      : plan_(plan),
        memory_(memory),
        images_(images),
        state_(state),
        input_(input),
        pixels_(input.pixels()) {}

  LaunchPlan make(const kernels::UpdatePart* updates, int64_t update_count) {
    for (size_t i = 0; i < plan_.encoder_stages; ++i) forward(i);
    encode();
    decode();
    for (size_t i = plan_.encoder_stages; i + 1 < plan_.stages.size(); ++i) forward(i);
    last();
    if (input_.trim > 0) trim();
    for (size_t i = plan_.stages.size(); i-- > plan_.encoder_stages;) backward(i);
    dense_backward();
    for (size_t i = plan_.encoder_stages; i-- > 0;) backward(i);
    update(updates, update_count);
    return std::move(launches_);
  }

 private:
  using Ranges = std::vector<MemoryRange>;

  const float* weight(int64_t offset) const { return state_.parameters + offset; }
  MemoryRange weights_of(size_t i) const {
    return {weight(plan_.stages[i].kernel), memory_.stages[i].weights()};
  }

  kernels::NormalisedMap map_of(size_t i, Normalisation normalisation) const {
    const Stage& stage = plan_.stages[i];
    const FusedStage& made = memory_.stages[i];
    return {.x = made.activation,
            .channels = made.channels,
            .normalisation = normalisation,
            .statistics = made.statistics,
            .moments = made.moments,
            .gamma = weight(stage.gamma),
            .beta = weight(stage.beta)};
  }
  /// What a stage reads; the first reads pixels instead.
  kernels::NormalisedMap input_of(size_t i, Normalisation normalisation) const {
    if (i != plan_.encoder_stages) return map_of(i - 1, normalisation);
    return as_it_is(memory_.hidden, memory_.stages[i - 1].channels);
  }
  static kernels::NormalisedMap as_it_is(const float* x, int channels) {
    kernels::NormalisedMap map;
    map.x = x;
    map.channels = channels;
    return map;
  }
  kernels::MapGradient gradient_of(size_t i) const {
    const FusedStage& made = memory_.stages[i];
    return {.dy = made.gradient,
            .activation = made.activation,
            .channels = made.channels,
            .rows = made.rows,
            .statistics = made.statistics,
            .sums = made.sums};
  }

  // What these read.
  Ranges pixels() const {
    // They lie anywhere in the set; nobody writes there, so that only how many they are matters.
    return {{input_.state, 1},
            {input_.positions, images_},
            {static_cast<const std::byte*>(input_.images.pixels),
             images_ * plan_.image * kernels::bytes_of(input_.images.type)}};
  }
  Ranges moments_of(size_t i) const {
    const FusedStage& made = memory_.stages[i];
    return {{made.activation, made.numbers()},
            {made.moments.parts, int64_t{2} * made.moments.blocks * made.channels},
            {made.moments.counts, made.moments.blocks},
            {weight(plan_.stages[i].gamma), made.channels},
            {weight(plan_.stages[i].beta), made.channels}};
  }
  MemoryRange statistics_of(size_t i) const {
    const FusedStage& made = memory_.stages[i];
    return {made.statistics, kernels::kStatistics * made.channels};
  }
  MemoryRange sums_of(size_t i) const {
    const FusedStage& made = memory_.stages[i];
    return {made.sums.parts, int64_t{kernels::kGradientSums} * made.sums.blocks * made.channels};
  }
  Ranges normalised(size_t i) const {
    const FusedStage& made = memory_.stages[i];
    return {{made.activation, made.numbers()}, statistics_of(i)};
  }
  Ranges delta_of(size_t i) const {
    const FusedStage& made = memory_.stages[i];
    return {{made.gradient, made.numbers()},
            {made.activation, made.numbers()},
            statistics_of(i),
            sums_of(i)};
  }
  MemoryRange hidden() const { return {memory_.hidden, images_ * plan_.features}; }
  MemoryRange latent() const { return {memory_.latent, images_ * plan_.latent}; }
  MemoryRange hidden_gradient() const {
    return {memory_.hidden_gradient, images_ * plan_.features};
  }
  MemoryRange latent_gradient() const { return {memory_.latent_gradient, images_ * plan_.latent}; }
  static Ranges joined(Ranges some, const Ranges& others) {
    for (const MemoryRange& range : others) some.push_back(range);
    return some;
  }

  void forward(size_t i) {
    const Stage& stage = plan_.stages[i];
    const FusedStage& made = memory_.stages[i];
    const kernels::ActivationOutput y{made.activation, weight(stage.bias), made.moments};
    const float* const w = weight(stage.kernel);
    const auto shape = made.shape;
    Ranges writes = {{made.activation, made.numbers()},
                     {made.moments.parts, int64_t{2} * made.moments.blocks * made.channels},
                     {made.moments.counts, made.moments.blocks}};
    Ranges reads = {weights_of(i), {weight(stage.bias), made.channels}};
    const std::string name = stage.name + " forward";
    if (i == 0) {
      launches_.add(
          name, products_flop(shape), joined(reads, pixels()), writes,
          [=, x = pixels_](cudaStream_t stream) { kernels::conv2d_stage(stream, shape, x, w, y); });
      return;
    }
    const kernels::NormalisedMap x = input_of(i, Normalisation::moments);
    if (i == plan_.encoder_stages) {
      reads.push_back(hidden());
    } else {
      reads = joined(reads, moments_of(i - 1));
      writes.push_back(statistics_of(i - 1));
    }
    launches_.add(name, products_flop(shape), reads, writes,
                  [=, transposed = is_transposed(i)](cudaStream_t stream) {
                    if (transposed) {
                      kernels::conv2d_transpose_stage(stream, shape, x, w, y);
                    } else {
                      kernels::conv2d_stage(stream, shape, x, w, y);
                    }
                  });
  }
  bool is_transposed(size_t i) const {
    return plan_.stages[i].kind == OperationKind::conv2d_transpose;
  }

  void encode() {
    const size_t encoded = plan_.encoder_stages - 1;
    const Ranges layer = {{weight(plan_.dense1), plan_.features * plan_.latent},
                          {weight(plan_.dense1_bias), plan_.latent}};
    launches_.add("encoder.dense1 forward", products_flop(memory_.dense1),
                  joined(layer, moments_of(encoded)), {latent(), statistics_of(encoded)},
                  [shape = memory_.dense1, x = map_of(encoded, Normalisation::moments),
                   w = weight(plan_.dense1), bias = weight(plan_.dense1_bias), y = memory_.latent](
                      cudaStream_t stream) { kernels::dense_stage(stream, shape, x, w, bias, y); });
  }

  void decode() {
    launches_.add("decoder.dense1 forward", products_flop(memory_.dense2),
                  {{weight(plan_.dense2), plan_.features * plan_.latent},
                   {weight(plan_.dense2_bias), plan_.features},
                   latent()},
                  {hidden()},
                  [shape = memory_.dense2, x = memory_.latent, w = weight(plan_.dense2),
                   bias = weight(plan_.dense2_bias), y = memory_.hidden](cudaStream_t stream) {
                    kernels::dense_whole(stream, shape, x, w, bias, y);
                  });
  }

  void last() {
    const size_t i = plan_.stages.size() - 1;
    const FusedStage& made = memory_.stages[i];
    const int64_t parts = memory_.last_blocks * made.channels;
    const Ranges layer = {weights_of(i), {weight(plan_.stages[i].bias), made.channels}};
    launches_.add(plan_.stages[i].name + " forward, loss", products_flop(made.shape),
                  joined(joined(layer, moments_of(i - 1)), pixels()),
                  {{made.gradient, made.numbers()},
                   {memory_.last.squares, parts},
                   {memory_.last.bias_parts, parts},
                   {memory_.last.step, 1},
                   statistics_of(i - 1)},
                  [shape = made.shape, x = map_of(i - 1, Normalisation::moments),
                   w = weight(plan_.stages[i].kernel), bias = weight(plan_.stages[i].bias),
                   pixels = pixels_, output = memory_.last](cudaStream_t stream) {
                    kernels::last_stage(stream, shape, x, w, bias, pixels, output);
                  });
  }

  void trim() {
    const FusedStage& logits = memory_.stages.back();
    const int64_t parts = memory_.last_blocks * logits.channels;
    const Ranges trimmed = {{memory_.last.dx, logits.numbers()}, {memory_.last.bias_parts, parts}};
    // Of the variations, as of the pixels, only how many they are matters.
    const Ranges reads = {{memory_.last.squares, parts},
                          {input_.state, 1},
                          {input_.positions, images_},
                          {input_.variations, images_}};
    const kernels::TrimLosses losses{memory_.last.squares, images_, parts / images_};
    const kernels::TrimGradients gradients{memory_.last.dx, plan_.image, memory_.last.bias_parts,
                                           parts / images_};
    launches_.add("trim", 0, joined(trimmed, reads), trimmed,
                  [=, pixels = pixels_, variations = input_.variations,
                   left_out = images_left_out(input_.trim, images_)](cudaStream_t stream) {
                    kernels::trim_gradients(stream, losses, pixels, variations, left_out,
                                            gradients);
                  });
  }

  /// The gradient of a stage's input, and beside it that of its weights.
  void backward(size_t i) {
    if (i > 0) data_gradient(i);
    weight_gradient(i);
  }

  void data_gradient(size_t i) {
    const Stage& stage = plan_.stages[i];
    kernels::GradientOutput dx;
    Ranges reads = {weights_of(i)};
    Ranges writes;
    if (i == plan_.encoder_stages) {
      dx.dx = memory_.hidden_gradient;
      writes = {hidden_gradient()};
    } else {
      dx = gradient_output(i - 1);
      reads = joined(reads, normalised(i - 1));
      writes = gradient_writes(i - 1);
    }
    const float* const w = weight(stage.kernel);
    const auto shape = memory_.stages[i].shape;
    const std::string name = stage.name + " data gradient";
    if (!stage.normalized) {
      const kernels::NormalisedMap dy = logit_gradient();
      reads.push_back({dy.x, memory_.stages[i].numbers()});
      launches_.add(name, products_flop(shape), reads, writes, [=](cudaStream_t stream) {
        kernels::conv2d_stage_gradient(stream, shape, dy, w, dx);
      });
      return;
    }
    const kernels::MapGradient dy = gradient_of(i);
    reads = joined(reads, delta_of(i));
    launches_.add(name, products_flop(shape), reads, writes,
                  [=, transposed = is_transposed(i)](cudaStream_t stream) {
                    if (transposed) {
                      kernels::conv2d_stage_gradient(stream, shape, dy, w, dx);
                    } else {
                      kernels::conv2d_transpose_stage_gradient(stream, shape, dy, w, dx);
                    }
                  });
  }
  kernels::NormalisedMap logit_gradient() const {
    return as_it_is(memory_.last.dx, memory_.stages.back().channels);
  }
  kernels::GradientOutput gradient_output(size_t i) const {
    const FusedStage& made = memory_.stages[i];
    return {made.gradient, made.activation, made.statistics, made.sums};
  }
  Ranges gradient_writes(size_t i) const {
    const FusedStage& made = memory_.stages[i];
    return {{made.gradient, made.numbers()}, sums_of(i)};
  }

  void weight_gradient(size_t i) {
    const Stage& stage = plan_.stages[i];
    const FusedStage& made = memory_.stages[i];
    const auto shape = made.shape;
    float* const parts = made.weight_parts;
    const Ranges writes = {{parts, made.slices * made.weights()}};
    const auto add = [&](const Ranges& reads, std::function<void(cudaStream_t)> launch) {
      launches_.add(stage.name + " weight gradient", products_flop(shape), reads, writes,
                    std::move(launch));
    };
    if (i == 0) {
      return add(joined(pixels(), delta_of(i)),
                 [=, x = pixels_, dy = gradient_of(i)](cudaStream_t stream) {
                   kernels::stage_weight_gradient(stream, shape, x, dy, parts);
                 });
    }
    const kernels::NormalisedMap x = input_of(i, Normalisation::statistics);
    const Ranges input = i == plan_.encoder_stages ? Ranges{hidden()} : normalised(i - 1);
    if (!stage.normalized) {
      const kernels::NormalisedMap dy = logit_gradient();
      return add(joined(input, {{dy.x, made.numbers()}}), [=](cudaStream_t stream) {
        kernels::stage_weight_gradient(stream, shape, dy, x, parts);
      });
    }
    // The large side of a transposed convolution is its output.
    add(joined(input, delta_of(i)),
        [=, dy = gradient_of(i), transposed = is_transposed(i)](cudaStream_t stream) {
          if (transposed) {
            kernels::stage_weight_gradient(stream, shape, dy, x, parts);
          } else {
            kernels::stage_weight_gradient(stream, shape, x, dy, parts);
          }
        });
  }

  void dense_backward() {
    const size_t encoded = plan_.encoder_stages - 1;
    const int64_t weights = plan_.features * plan_.latent;
    launches_.add("decoder.dense1 data gradient", products_flop(memory_.dense2),
                  {{weight(plan_.dense2), weights}, hidden_gradient()}, {latent_gradient()},
                  [shape = memory_.dense2, dy = memory_.hidden_gradient, w = weight(plan_.dense2),
                   dx = memory_.latent_gradient](cudaStream_t stream) {
                    kernels::dense_data_gradient(stream, shape, dy, w, dx);
                  });
    launches_.add("encoder.dense1 data gradient", products_flop(memory_.dense1),
                  joined({{weight(plan_.dense1), weights}, latent_gradient()}, normalised(encoded)),
                  gradient_writes(encoded),
                  [shape = memory_.dense1, channels = memory_.stages[encoded].channels,
                   dy = memory_.latent_gradient, w = weight(plan_.dense1),
                   dx = gradient_output(encoded)](cudaStream_t stream) {
                    kernels::dense_stage_gradient(stream, shape, channels, dy, w, dx);
                  });
    const kernels::DenseWeights first{memory_.dense1, map_of(encoded, Normalisation::statistics),
                                      memory_.latent_gradient, memory_.dense1_gradient};
    const kernels::DenseWeights second{memory_.dense2, as_it_is(memory_.latent, kAnyChannels),
                                       memory_.hidden_gradient, memory_.dense2_gradient};
    launches_.add(
        "dense weight gradients", products_flop(memory_.dense1) + products_flop(memory_.dense2),
        joined({latent(), latent_gradient(), hidden_gradient()}, normalised(encoded)),
        {{memory_.dense1_gradient, weights}, {memory_.dense2_gradient, weights}},
        [=](cudaStream_t stream) { kernels::dense_stage_weight_gradients(stream, first, second); });
  }

  void update(const kernels::UpdatePart* updates, int64_t update_count) {
    const FusedStage& logits = memory_.stages.back();
    const kernels::UpdateStep step{
        .step = memory_.last.step,
        .rates = input_.rates,
        .squares = memory_.last.squares,
        .squares_count = memory_.last_blocks * logits.channels,
        .size = plan_.image,
    };
    const kernels::UpdateTargets targets{state_.parameters,    state_.first_moment,
                                         state_.second_moment, state_.moving,
                                         input_.state,         input_.progress};
    const int64_t weights = plan_.features * plan_.latent;
    const Ranges moved = {{state_.parameters, plan_.parameters},
                          {state_.first_moment, plan_.parameters},
                          {state_.second_moment, plan_.parameters},
                          {state_.moving, plan_.moving},
                          {input_.state, 1}};
    Ranges reads = {{updates, update_count},
                    {input_.rates, 1},
                    {memory_.last.step, 1},
                    {memory_.last.squares, step.squares_count},
                    {memory_.last.bias_parts, step.squares_count},
                    {memory_.dense1_gradient, weights},
                    {memory_.dense2_gradient, weights},
                    latent_gradient(),
                    hidden_gradient()};
    for (size_t i = 0; i < memory_.stages.size(); ++i) {
      const FusedStage& made = memory_.stages[i];
      reads.push_back({made.weight_parts, made.slices * made.weights()});
      if (!plan_.stages[i].normalized) continue;
      reads.push_back(sums_of(i));
      reads.push_back(statistics_of(i));
    }
    launches_.add("update", 0, joined(moved, reads), moved, [=](cudaStream_t stream) {
      kernels::update(stream, updates, update_count, step, targets);
    });
  }

  /// Of a map that is not normalised, where a row is one pixel whatever its channels.
  static constexpr int kAnyChannels = 4;

  const Plan& plan_;
  const FusedMemory& memory_;
  int64_t images_;
  FusedState state_;
  EpochInput input_;
  kernels::PixelBatch pixels_;
  LaunchPlan launches_;
};

}  // namespace

LaunchPlan plan_fused_step(const Plan& plan, const FusedMemory& memory, int64_t images,
                           const FusedState& state, const kernels::UpdatePart* updates,
                           int64_t update_count, const EpochInput& input) {
  return FusedPlanner(plan, memory, images, state, input).make(updates, update_count);
}

}  // namespace oddity::cuda
