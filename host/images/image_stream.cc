#include "images/image_stream.h"

namespace oddity {

void ImageBatch::clear() {
  rows.clear();
  pixels.clear();
  images = 0;
  type = PixelType::u8;
  end = {};
  left_out = 0;
  fraction = 0;
}

}  // namespace oddity
