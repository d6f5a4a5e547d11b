// The example of README.md: the most unusual image of a set, found with the library.
#include <oddity/data/dataset.h>
#include <oddity/detect/quantile.h>
#include <oddity/engine/engine.h>
#include <oddity/files/model_file.h>

#include <cstdio>
#include <exception>
#include <vector>

int main(int argc, char** argv) try {
  if (argc != 3) return std::fputs("usage: consumer DATASET MODEL\n", stderr), 2;
  const oddity::Dataset dataset = oddity::read_dataset(argv[1]);
  const oddity::ModelFile model = oddity::read_model(argv[2]);

  const auto engine = oddity::make_engine("auto");
  const auto network = engine->network(model.architecture, model.weights);
  const auto images = engine->upload(dataset.images.view());

  oddity::NoProgress progress;
  const auto scores = network->score(*images, {0, images->size()}, progress);
  const double threshold = oddity::quantile(*scores, 0.999);

  std::vector<float> errors(scores->size());
  scores->download(errors);
  for (size_t i = 0; i < errors.size(); ++i) {
    if (errors[i] >= threshold) std::printf("image %zu: %g\n", i, double{errors[i]});
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
