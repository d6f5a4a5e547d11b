"""To be imported before Keras: which kernels it computes with, and that it says nothing but errors."""
import logging
import os
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["KERAS_BACKEND"] = "tensorflow"
# Of TensorFlow's two sets of kernels the one nearer to float64: on the trained model 6e-7 (ours 7e-7);
# with oneDNN it is 1e-6, and 3.5e-6 for a batch of one image.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
# Warnings about old formats and retraced functions would bury the checks.
warnings.simplefilter("ignore")
for name in ("tensorflow", "absl"):
    logging.getLogger(name).setLevel(logging.ERROR)
