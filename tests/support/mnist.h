// The reference program's 6809 images: what every golden of whole data sets was computed from.
#pragma once

#include "support/test_images.h"

namespace oddity::test {

/// MNIST's training images at golden/split/order, in that order.
TestImages<uint8_t> mnist_anomaly_images();

}  // namespace oddity::test
