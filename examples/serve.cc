// Runs a compiled net in C++: float32 numbers of one input come in on standard input, as many samples as
// there are; each output goes out as a line of its name, its sizes and its numbers.
//
//   netspec compile lenet5
//   g++ -std=c++17 serve.cc -I ONNXRUNTIME/include -L ONNXRUNTIME/lib -lonnxruntime -o serve
//   ./serve lenet5.onnx < digits.raw
#include <onnxruntime_cxx_api.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

std::vector<float> read_all(std::FILE* file) {
  std::vector<float> numbers;
  float buffer[4096];
  while (std::size_t count = std::fread(buffer, sizeof(float), 4096, file)) {
    numbers.insert(numbers.end(), buffer, buffer + count);
  }
  return numbers;
}

int run(const char* path) {
  Ort::Env env(ORT_LOGGING_LEVEL_WARNING, "netspec");
  Ort::Session session(env, path, Ort::SessionOptions{});
  if (session.GetInputCount() != 1) throw std::runtime_error("the net has several inputs");

  // Files that netspec writes have an open batch, which comes first; what else is open is for the caller.
  std::vector<int64_t> sizes = session.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape();
  std::size_t sample = 1;
  for (std::size_t axis = 1; axis < sizes.size(); ++axis) {
    if (sizes[axis] < 0) throw std::runtime_error("the input has open sizes");
    sample *= static_cast<std::size_t>(sizes[axis]);
  }
  std::vector<float> numbers = read_all(stdin);
  if (numbers.empty() || numbers.size() % sample) throw std::runtime_error("that is no whole sample");
  sizes[0] = static_cast<int64_t>(numbers.size() / sample);

  Ort::AllocatorWithDefaultOptions allocator;
  const std::string input = session.GetInputNameAllocated(0, allocator).get();
  std::vector<std::string> outputs;
  std::vector<const char*> wanted;
  for (std::size_t i = 0; i < session.GetOutputCount(); ++i) {
    outputs.emplace_back(session.GetOutputNameAllocated(i, allocator).get());
  }
  for (const std::string& name : outputs) wanted.push_back(name.c_str());

  Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  Ort::Value value = Ort::Value::CreateTensor<float>(memory, numbers.data(), numbers.size(),
                                                     sizes.data(), sizes.size());
  const char* given = input.c_str();
  std::vector<Ort::Value> results =
      session.Run(Ort::RunOptions{nullptr}, &given, &value, 1, wanted.data(), wanted.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    Ort::TensorTypeAndShapeInfo info = results[i].GetTensorTypeAndShapeInfo();
    std::printf("%s", outputs[i].c_str());
    const char* mark = " ";
    for (int64_t size : info.GetShape()) {
      std::printf("%s%lld", mark, static_cast<long long>(size));
      mark = "x";
    }
    const float* first = results[i].GetTensorData<float>();
    for (std::size_t k = 0; k < info.GetElementCount(); ++k) std::printf(" %.9g", first[k]);
    std::printf("\n");
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) {
    std::fprintf(stderr, "usage: serve NET.onnx < NUMBERS\n");
    return 2;
  }
  try {
    return run(words[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
