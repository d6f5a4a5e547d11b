#include "images/image_status.h"

namespace oddity {

std::string_view name_of(ImageStatus status) {
  switch (status) {
    case ImageStatus::ok:
      return "ok";
    case ImageStatus::not_an_image:
      return "not-an-image";
    case ImageStatus::truncated:
      return "truncated";
    case ImageStatus::wrong_size:
      return "wrong-size";
    case ImageStatus::unsupported:
      return "unsupported";
    case ImageStatus::too_large:
      return "too-large";
    case ImageStatus::not_finite:
      return "not-finite";
    case ImageStatus::unreadable:
      return "unreadable";
    case ImageStatus::vanished:
      return "vanished";
  }
  return "unknown";
}

}  // namespace oddity
