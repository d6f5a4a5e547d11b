#include "report/canvas.h"

#include <cairo-svg.h>

#include <cmath>
#include <cstring>
#include <map>
#include <numbers>

#include "core/error.h"
#include "files/atomic_file.h"
#include "report/png.h"

namespace oddity {
namespace {

constexpr double kPixelsPerUnit = 2;

/// The font of matplotlib. Where it is missing fontconfig finds the nearest.
constexpr const char* kFont = "DejaVu Sans";

cairo_status_t append(void* out, const unsigned char* data, unsigned size) {
  static_cast<std::string*>(out)->append(reinterpret_cast<const char*>(data), size);
  return CAIRO_STATUS_SUCCESS;
}

cairo_surface_t* make_surface(PictureFormat format, double width, double height, std::string& svg) {
  if (format == PictureFormat::png) {
    return cairo_image_surface_create(CAIRO_FORMAT_RGB24,
                                      static_cast<int>(std::lround(width * kPixelsPerUnit)),
                                      static_cast<int>(std::lround(height * kPixelsPerUnit)));
  }
  cairo_surface_t* surface = cairo_svg_surface_create_for_stream(&append, &svg, width, height);
  cairo_svg_surface_set_document_unit(surface, CAIRO_SVG_UNIT_PX);
  return surface;
}

/// Looks the same whatever the desktop is set to: no hinting, no subpixels.
void set_font_options(cairo_t* cairo) {
  const std::unique_ptr<cairo_font_options_t, decltype(&cairo_font_options_destroy)> options(
      cairo_font_options_create(), &cairo_font_options_destroy);
  cairo_font_options_set_antialias(options.get(), CAIRO_ANTIALIAS_GRAY);
  cairo_font_options_set_hint_style(options.get(), CAIRO_HINT_STYLE_NONE);
  cairo_font_options_set_hint_metrics(options.get(), CAIRO_HINT_METRICS_OFF);
  cairo_set_font_options(cairo, options.get());
}

/// Cairo numbers surfaces through the life of the process, and writes the number into the SVG.
/// Numbers them through the file instead, so that it does not tell what was drawn before it.
std::string with_own_numbers(std::string_view svg) {
  constexpr std::string_view kName = "surface";
  std::map<std::string_view, size_t> numbers;  // from Cairo's, in order of appearance
  std::string out;
  for (size_t at = svg.find(kName); at != svg.npos; at = svg.find(kName)) {
    at += kName.size();
    out += svg.substr(0, at);
    svg.remove_prefix(at);
    const std::string_view number = svg.substr(0, svg.find_first_not_of("0123456789"));
    if (!number.empty()) {
      out += std::to_string(numbers.try_emplace(number, numbers.size()).first->second);
      svg.remove_prefix(number.size());
    }
  }
  return out.append(svg);
}

}  // namespace

Canvas::Canvas(PictureFormat format, double width, double height)
    : format_(format),
      surface_(make_surface(format, width, height, svg_), &cairo_surface_destroy),
      cairo_(cairo_create(surface_.get()), &cairo_destroy) {
  if (format == PictureFormat::png) cairo_scale(cairo_.get(), kPixelsPerUnit, kPixelsPerUnit);
  set_font_options(cairo_.get());
  cairo_select_font_face(cairo_.get(), kFont, CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_line_join(cairo_.get(), CAIRO_LINE_JOIN_ROUND);
  check();
}

void Canvas::check() const {
  const cairo_status_t status = cairo_status(cairo_.get());
  if (status != CAIRO_STATUS_SUCCESS) {
    throw Error("cannot draw a plot: {}", cairo_status_to_string(status));
  }
}

void Canvas::set(Colour colour) {
  cairo_set_source_rgba(cairo_.get(), colour.red, colour.green, colour.blue, colour.opacity);
}

void Canvas::fill(const Box& box, Colour colour) {
  set(colour);
  cairo_rectangle(cairo_.get(), box.left, box.top, box.width, box.height);
  cairo_fill(cairo_.get());
}

void Canvas::frame(const Box& box, double radius, Colour inside, Colour border) {
  constexpr double kQuarter = std::numbers::pi / 2;
  cairo_t* const cairo = cairo_.get();
  cairo_new_sub_path(cairo);
  cairo_arc(cairo, box.right() - radius, box.top + radius, radius, -kQuarter, 0);
  cairo_arc(cairo, box.right() - radius, box.bottom() - radius, radius, 0, kQuarter);
  cairo_arc(cairo, box.left + radius, box.bottom() - radius, radius, kQuarter, 2 * kQuarter);
  cairo_arc(cairo, box.left + radius, box.top + radius, radius, 2 * kQuarter, 3 * kQuarter);
  cairo_close_path(cairo);
  set(inside);
  cairo_fill_preserve(cairo);
  set(border);
  cairo_set_line_width(cairo, 1);
  cairo_stroke(cairo);
}

void Canvas::line(Point from, Point to, double width, Colour colour) {
  set(colour);
  cairo_set_line_width(cairo_.get(), width);
  cairo_move_to(cairo_.get(), from.x, from.y);
  cairo_line_to(cairo_.get(), to.x, to.y);
  cairo_stroke(cairo_.get());
}

void Canvas::dot(Point centre, double radius, Colour colour) {
  set(colour);
  cairo_arc(cairo_.get(), centre.x, centre.y, radius, 0, 2 * std::numbers::pi);
  cairo_fill(cairo_.get());
}

void Canvas::curve(const Point* points, size_t count, double width, Colour colour,
                   const Box& clip) {
  cairo_t* const cairo = cairo_.get();
  cairo_save(cairo);
  cairo_rectangle(cairo, clip.left, clip.top, clip.width, clip.height);
  cairo_clip(cairo);
  set(colour);
  cairo_set_line_width(cairo, width);
  for (size_t i = 0; i < count; ++i) cairo_line_to(cairo, points[i].x, points[i].y);
  cairo_stroke(cairo);
  cairo_restore(cairo);
}

double Canvas::text_width(std::string_view text, double size) {
  cairo_text_extents_t extents;
  cairo_set_font_size(cairo_.get(), size);
  cairo_text_extents(cairo_.get(), std::string(text).c_str(), &extents);
  return extents.x_advance;
}

void Canvas::text(std::string_view text, Point at, double size, Colour colour, Align align) {
  const double width = text_width(text, size);
  const double shift = align == Align::left ? 0 : align == Align::centre ? width / 2 : width;
  set(colour);
  cairo_move_to(cairo_.get(), at.x - shift, at.y);
  cairo_show_text(cairo_.get(), std::string(text).c_str());
}

void Canvas::text_upwards(std::string_view text, Point at, double size, Colour colour,
                          Align align) {
  cairo_save(cairo_.get());
  cairo_translate(cairo_.get(), at.x, at.y);
  cairo_rotate(cairo_.get(), -std::numbers::pi / 2);
  this->text(text, {0, 0}, size, colour, align);
  cairo_restore(cairo_.get());
}

void Canvas::save(const std::filesystem::path& path) {
  check();
  if (format_ == PictureFormat::png) {
    save_png(path);
  } else {
    save_svg(path);
  }
}

void Canvas::save_png(const std::filesystem::path& path) {
  cairo_surface_flush(surface_.get());
  Picture picture(static_cast<uint32_t>(cairo_image_surface_get_width(surface_.get())),
                  static_cast<uint32_t>(cairo_image_surface_get_height(surface_.get())), 3);
  const unsigned char* const rows = cairo_image_surface_get_data(surface_.get());
  const auto stride = static_cast<size_t>(cairo_image_surface_get_stride(surface_.get()));
  for (uint32_t y = 0; y < picture.height; ++y) {
    for (uint32_t x = 0; x < picture.width; ++x) {
      uint32_t rgb;  // CAIRO_FORMAT_RGB24: 32 bits in the machine's byte order
      std::memcpy(&rgb, rows + y * stride + x * sizeof rgb, sizeof rgb);
      uint8_t* const out = picture.at(x, y);
      out[0] = static_cast<uint8_t>(rgb >> 16);
      out[1] = static_cast<uint8_t>(rgb >> 8);
      out[2] = static_cast<uint8_t>(rgb);
    }
  }
  write_png(path, picture);
}

void Canvas::save_svg(const std::filesystem::path& path) {
  cairo_surface_finish(surface_.get());
  write_file(path, with_own_numbers(svg_));
}

}  // namespace oddity
